"""What each fault does to a request, at the stage where it applies.

The stages: before the office (connection, gateway, queue), the key, the office itself, and the finished answer.
"""

from collections.abc import Sequence
from dataclasses import replace

from oddaemon.simulator.api import responses
from oddaemon.simulator.api.messages import ApiResponse, Endpoint, TransportFault
from oddaemon.simulator.faults.faults import (
    ActiveFault,
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
    TooManyRequests,
    TruncatedBody,
)


def apply_gateway_faults(active_faults: Sequence[ActiveFault]) -> ApiResponse | None:
    """What the connection, the gateway or the queue answers at once; None when the request passes."""
    for each in active_faults:
        match each.fault:
            case BrokenConnection(cut, None):
                return ApiResponse(200, transport_fault=TransportFault(cut))
            case GatewayError(status):
                return responses.make_gateway_error(status)
            case TooManyRequests(retry_after):
                return responses.make_too_many_requests(retry_after)
            case _:
                continue
    return None


def apply_key_faults(active_faults: Sequence[ActiveFault]) -> ApiResponse | None:
    """What headquarters answers because of the key's state; None when the key works."""
    for each in active_faults:
        match each.fault:
            case KeyDisabled():
                return responses.make_json_error(401, responses.KEY_DISABLED)
            case KeyUnassigned():
                return responses.make_json_error(400, responses.KEY_NOT_ASSIGNED)
            case KeyMoved(_, works_after_seconds) if each.age_seconds < works_after_seconds:
                return responses.make_json_error(400, responses.KEY_NOT_ASSIGNED)
            case _:
                continue
    return None


def apply_office_faults(active_faults: Sequence[ActiveFault], endpoint: Endpoint) -> ApiResponse | None:
    """The office's answer instead of rows; None when it works."""
    for each in active_faults:
        match each.fault:
            case EConnectorDown():
                return responses.make_json_error(400, responses.ECONNECTOR_DOWN)
            case OldVersion():
                return responses.make_text_error(400, responses.VERSION_TOO_OLD)
            case PermissionMissing() if endpoint in {Endpoint.SHORT_QUERY, Endpoint.QUERY_UPLOAD}:
                return responses.make_json_error(401, responses.PERMISSION_MISSING)
            case _:
                continue
    return None


def get_extra_seconds(active_faults: Sequence[ActiveFault]) -> float:
    """Execution time on top of the usual."""
    return sum(each.fault.seconds for each in active_faults if isinstance(each.fault, Latency))


def ignores_limit(active_faults: Sequence[ActiveFault]) -> bool:
    """Whether the office answers with more than was asked for."""
    return any(isinstance(each.fault, LimitIgnored) for each in active_faults)


def apply_row_faults(rows: Rows, active_faults: Sequence[ActiveFault]) -> Rows:
    """The rows after the faults in the office."""
    for each in active_faults:
        if isinstance(each.fault, Altered):
            rows = each.fault.alter(rows)
    return rows


def apply_response_faults(response: ApiResponse, active_faults: Sequence[ActiveFault]) -> ApiResponse:
    """The finished answer after the faults on its way back."""
    for each in active_faults:
        match each.fault:
            case OtherBody(text, content_type, status):
                response = ApiResponse(status, (("content-type", content_type),), text.encode())
            case TruncatedBody(share):
                response = replace(response, body=response.body[: int(len(response.body) * share)])
            case BrokenConnection(cut, int(after_bytes)):
                response = replace(response, transport_fault=TransportFault(cut, min(after_bytes, len(response.body))))
            case _:
                continue
    return response
