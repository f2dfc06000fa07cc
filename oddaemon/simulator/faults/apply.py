"""Applies each fault to a request at its stage.

The stages: before the office (connection, gateway, queue), the key, the office itself, and the finished response.
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
    """The immediate response of the connection, the gateway or the queue; None: the request passes."""
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
    """The response of headquarters to a faulty key; None: the key works."""
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
    """The office's response instead of rows; None: the office works."""
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
    """The additional execution time in seconds."""
    return sum(each.fault.seconds for each in active_faults if isinstance(each.fault, Latency))


def ignores_limit(active_faults: Sequence[ActiveFault]) -> bool:
    """Whether the office returns more rows than requested."""
    return any(isinstance(each.fault, LimitIgnored) for each in active_faults)


def apply_row_faults(rows: Rows, active_faults: Sequence[ActiveFault]) -> Rows:
    """Apply the faults in the office to the rows."""
    for each in active_faults:
        if isinstance(each.fault, Altered):
            rows = each.fault.alter(rows)
    return rows


def apply_response_faults(response: ApiResponse, active_faults: Sequence[ActiveFault]) -> ApiResponse:
    """Apply the faults on the way back to the finished response."""
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
