"""An examination as JSON, and back: so it is told by the daemon to the doctor, and by `--json` to other programs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from oddaemon.core.examination import Examination, Outcome, Step, StepName
from oddaemon.core.model import Owner
from oddaemon.core.status import instant


def examination_document(examination: Examination) -> dict[str, Any]:
    """The examination in values of JSON."""
    return {
        "office": examination.office,
        "name": examination.name,
        "examined_at": instant(examination.at),
        "asked_by": examination.asked_by,
        "well": examination.is_well,
        "zones": list(examination.zones),
        "steps": [
            {
                "step": step.name.value,
                "outcome": step.outcome.value,
                "sentence": step.sentence,
                "owner": None if step.owner is None else step.owner.value,
                "advice": step.advice,
                "letter": step.letter,
            }
            for step in examination.steps
        ],
    }


def examination_of(document: Mapping[str, Any]) -> Examination:
    """The examination of a document.

    Raises:
        ValueError, KeyError, TypeError: It is none of this version.
    """
    return Examination(
        office=document["office"],
        name=document["name"],
        at=datetime.fromisoformat(document["examined_at"]),
        asked_by=document["asked_by"],
        steps=tuple(
            Step(
                StepName(step["step"]),
                Outcome(step["outcome"]),
                step["sentence"],
                None if step["owner"] is None else Owner(step["owner"]),
                step["advice"],
                step["letter"],
            )
            for step in document["steps"]
        ),
        zones=tuple(document["zones"]),
    )
