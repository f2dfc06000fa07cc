"""What each fault does to a request, at the station of its way where it strikes.

The stations: before the office (connection, gateway, queue), the key, the office itself, and the finished answer.
"""

from collections.abc import Sequence
from dataclasses import replace

from oddaemon.simulator import answers
from oddaemon.simulator.api import ApiAnswer, Kind, Wire
from oddaemon.simulator.faults import (
    Altered,
    BrokenConnection,
    EConnectorDown,
    GatewayError,
    KeyDisabled,
    KeyMoved,
    KeyUnassigned,
    Latency,
    LimitIgnored,
    OldVersion,
    OtherBody,
    PermissionMissing,
    Rows,
    Struck,
    TooManyRequests,
    TruncatedBody,
)


def before_the_office(struck: Sequence[Struck]) -> ApiAnswer | None:
    """What the connection, the gateway or the queue answers at once; None when the request comes through."""
    for each in struck:
        match each.fault:
            case BrokenConnection(cut, None):
                return ApiAnswer(200, wire=Wire(cut))
            case GatewayError(status):
                return answers.gateway(status)
            case TooManyRequests(retry_after):
                return answers.too_many(retry_after)
            case _:
                continue
    return None


def key_trouble(struck: Sequence[Struck]) -> ApiAnswer | None:
    """What headquarters answers because of the key's state; None when the key works."""
    for each in struck:
        match each.fault:
            case KeyDisabled():
                return answers.sentence(401, answers.KEY_DISABLED)
            case KeyUnassigned():
                return answers.sentence(400, answers.KEY_NOT_ASSIGNED)
            case KeyMoved(_, works_after_seconds) if each.age_seconds < works_after_seconds:
                return answers.sentence(400, answers.KEY_NOT_ASSIGNED)
            case _:
                continue
    return None


def office_trouble(struck: Sequence[Struck], kind: Kind) -> ApiAnswer | None:
    """What the office's side answers instead of rows; None when it works."""
    for each in struck:
        match each.fault:
            case EConnectorDown():
                return answers.sentence(400, answers.ECONNECTOR_DOWN)
            case OldVersion():
                return answers.plain(400, answers.VERSION_TOO_OLD)
            case PermissionMissing() if kind in {Kind.SHORT_QUERY, Kind.QUERY_UPLOAD}:
                return answers.sentence(401, answers.PERMISSION_MISSING)
            case _:
                continue
    return None


def extra_seconds(struck: Sequence[Struck]) -> float:
    """Execution time on top of the usual."""
    return sum(each.fault.seconds for each in struck if isinstance(each.fault, Latency))


def ignores_limit(struck: Sequence[Struck]) -> bool:
    """Whether the office answers with more than was asked for."""
    return any(isinstance(each.fault, LimitIgnored) for each in struck)


def altered(rows: Rows, struck: Sequence[Struck]) -> Rows:
    """The rows after what happens to them in the office."""
    for each in struck:
        if isinstance(each.fault, Altered):
            rows = each.fault.alter(rows)
    return rows


def damaged(answer: ApiAnswer, struck: Sequence[Struck]) -> ApiAnswer:
    """The finished answer after what happens to it on its way back."""
    for each in struck:
        match each.fault:
            case OtherBody(text, content_type, status):
                answer = ApiAnswer(status, (("content-type", content_type),), text.encode())
            case TruncatedBody(kept):
                answer = replace(answer, body=answer.body[: int(len(answer.body) * kept)])
            case BrokenConnection(cut, int(after_bytes)):
                answer = replace(answer, wire=Wire(cut, min(after_bytes, len(answer.body))))
            case _:
                continue
    return answer
