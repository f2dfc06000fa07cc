"""Converts a diagnosis to JSON and back, for the control socket and for `--json`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from oddaemon.core.diagnostics.diagnosis import CheckName, CheckOutcome, CheckResult, Diagnosis
from oddaemon.core.model import Owner
from oddaemon.core.reporting.formatting import format_instant


def make_diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Convert a diagnosis to values of JSON."""
    return {
        "office": diagnosis.office,
        "name": diagnosis.name,
        "checked_at": format_instant(diagnosis.at),
        "source": diagnosis.asked_by,
        "healthy": diagnosis.is_healthy,
        "zones": list(diagnosis.zones),
        "steps": [
            {
                "step": check.name.value,
                "outcome": check.outcome.value,
                "message": check.sentence,
                "owner": None if check.owner is None else check.owner.value,
                "advice": check.advice,
                "letter": check.message,
            }
            for check in diagnosis.checks
        ],
    }


def parse_diagnosis(document: Mapping[str, Any]) -> Diagnosis:
    """Read a diagnosis back from its document.

    Raises:
        ValueError, KeyError, TypeError: The document is not one of this version.
    """
    return Diagnosis(
        office=document["office"],
        name=document["name"],
        at=datetime.fromisoformat(document["checked_at"]),
        asked_by=document["source"],
        checks=tuple(
            CheckResult(
                CheckName(step["step"]),
                CheckOutcome(step["outcome"]),
                step["message"],
                None if step["owner"] is None else Owner(step["owner"]),
                step["advice"],
                step["letter"],
            )
            for step in document["steps"]
        ),
        zones=tuple(document["zones"]),
    )
