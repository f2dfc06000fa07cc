"""Applies each fault to a request at its stage.

The stages: before the office (connection, gateway, queue), the key, the office itself, and the finished response.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto

from oddaemon.simulator.api import responses
from oddaemon.simulator.api.messages import ApiResponse, BrokenConnection, Endpoint
from oddaemon.simulator.faults.faults import (
    Altered,
    EConnectorDown,
    Fault,
    GatewayError,
    KeyDisabled,
    KeyUnassigned,
    OldVersion,
    OtherBody,
    PermissionMissing,
    Respelled,
    Rows,
    TooManyRequests,
    TruncatedBody,
)
from oddaemon.simulator.faults.spellings import SPELLINGS


class Stage(Enum):
    """Where a request can be rejected."""

    GATEWAY = auto()
    KEY = auto()
    OFFICE = auto()


FIXED_REJECTIONS: Mapping[type, tuple[Stage, ApiResponse | None]] = {
    KeyDisabled: (Stage.KEY, responses.KEY_DISABLED),
    KeyUnassigned: (Stage.KEY, responses.KEY_NOT_ASSIGNED),
    EConnectorDown: (Stage.OFFICE, responses.ECONNECTOR_DOWN),
    OldVersion: (Stage.OFFICE, responses.VERSION_TOO_OLD),
    PermissionMissing: (Stage.OFFICE, responses.PERMISSION_MISSING),
}


def find_rejection(stage: Stage, active_faults: Sequence[Fault], endpoint: Endpoint) -> ApiResponse | None:
    """The response of the first fault that rejects a request at this stage; None: the request passes."""
    for fault in active_faults:
        stage_of_fault, rejection = FIXED_REJECTIONS.get(type(fault), (Stage.GATEWAY, None))
        match fault:
            case BrokenConnection(_, None):
                rejection = ApiResponse(200, transport_fault=fault)
            case GatewayError(status):
                rejection = responses.make_gateway_error(status)
            case TooManyRequests(retry_after):
                rejection = responses.make_too_many_requests(retry_after)
            case PermissionMissing() if endpoint not in {Endpoint.SHORT_QUERY, Endpoint.QUERY_UPLOAD}:
                continue
        if rejection is not None and stage_of_fault is stage:
            return rejection
    return None


def apply_row_faults(rows: Rows, active_faults: Sequence[Fault]) -> Rows:
    """Apply the faults in the office to the rows."""
    for fault in active_faults:
        if isinstance(fault, Altered):
            rows = fault.alter(rows)
    return rows


def apply_response_faults(response: ApiResponse, active_faults: Sequence[Fault]) -> ApiResponse:
    """Apply the faults on the way back to the finished response: first how the office spells it, then what it loses."""
    for fault in sorted(active_faults, key=lambda each: not isinstance(each, Respelled)):
        match fault:
            case OtherBody(text, content_type, status):
                response = ApiResponse(status, (("content-type", content_type),), text.encode())
            case Respelled(spelling) if response.body.startswith(b"["):
                response = replace(response, body=SPELLINGS[spelling](json.loads(response.body)))
            case TruncatedBody(share):
                response = replace(response, body=response.body[: int(len(response.body) * share)])
            case BrokenConnection(cut, int(after_bytes)):
                broken = BrokenConnection(cut, min(after_bytes, len(response.body)))
                response = replace(response, transport_fault=broken)
    return response
