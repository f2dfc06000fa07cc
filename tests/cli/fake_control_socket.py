"""A real control socket with a fake daemon behind it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import anyio
from anyio.from_thread import start_blocking_portal

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import CommandRejected, Document, RejectionKind
from oddaemon.core.config_diff import ConfigChange, ConfigDiff
from oddaemon.core.diagnostics.diagnosis import make_diagnosis_document
from oddaemon.core.office.state import OfficeCommand
from oddaemon.settings.files.problem import Problem, make_problem_document
from tests.core.diagnostics.sample_observations import make_diagnosis
from tests.web.admin_app import make_admin_app

PLAN = ConfigDiff(
    ("ash",),
    (ConfigChange("elm", ("clinics", "customer_key")), ConfigChange("fir", ("labels",), restarts_worker=False)),
    ("oak",),
    7,
    ("[http]",),
)
WARNING = Problem(Path("/etc/a.toml"), "api.developer_key", None, "others may read it", "chmod 600", line=2)
PROBLEMS = (Problem(Path("/etc/a.toml"), "office[0].id", '"É"', "must be short"), Problem(Path("b"), "", None, "gone"))

DIAGNOSIS = make_diagnosis(office="hill-street")


class FakeCommands:
    """Answers `hill-street` and refuses what is about any other office; its configuration is good or bad."""

    def __init__(self, *, good: bool = True) -> None:
        self._good = good
        self.polls = 0
        self.accepted_removals: bool | None = None

    async def run_office_command(self, order: OfficeCommand, office: str, uid: int | None) -> str:
        await anyio.lowlevel.checkpoint()
        assert uid == os.getuid()
        match office:
            case "hill-street":
                return f"Done: {order}."
            case "bright-smiles":
                advice = "`oddaemon explain bright-smiles` shows more."
                raise CommandRejected(RejectionKind.CONFLICT, "Nothing of bright-smiles is held.", advice)
            case _:
                raise CommandRejected(RejectionKind.NOT_FOUND, f"No office {office!r} is at work.", "Did you mean `x`?")

    async def reload(self, uid: int | None, *, accept_removals: bool) -> Document:
        assert uid == os.getuid()
        self.accepted_removals = accept_removals
        return {**await self.preview_reload(), "outcome": f"Applied: {PLAN.sentence}"}

    async def preview_reload(self) -> Document:
        await anyio.lowlevel.checkpoint()
        if not self._good:
            problems = [make_problem_document(each) for each in PROBLEMS]
            raise CommandRejected(
                RejectionKind.BAD_CONFIGURATION, "The configuration has 2 problems.", "Fix them.", problems
            )
        outcome = f"A reload would apply: {PLAN.sentence}"
        return {
            "outcome": outcome,
            "plan": asdict(PLAN),
            "warnings": [make_problem_document(WARNING)],
        }

    async def drain(self, _uid: int | None) -> str:
        await anyio.lowlevel.checkpoint()
        return "It stops."

    async def start(self, office: str, _uid: int | None) -> str:
        await anyio.lowlevel.checkpoint()
        if office == "hill-street":
            return "It is examined now."
        raise CommandRejected(RejectionKind.NO_WORKER, f"No worker runs for {office!r}.")

    async def get_status(self, office: str) -> Document:
        await anyio.lowlevel.checkpoint()
        if office != "hill-street":
            raise CommandRejected(RejectionKind.NOT_FOUND, f"{office!r} was not examined.")
        self.polls += 1
        found = make_diagnosis_document(DIAGNOSIS) if self.polls > 1 else None
        return {"outcome": "done" if found else "in_progress", "completed": self.polls, "total": 14, "diagnosis": found}


class FakePauseCommands(FakeCommands):
    """Pauses and resumes all that it is asked about, once; `paused` are at the start."""

    def __init__(self, *paused: str) -> None:
        super().__init__()
        self.paused = set(paused)

    async def run_office_command(self, order: OfficeCommand, office: str, uid: int | None) -> str:  # noqa: ARG002 - any user
        await anyio.lowlevel.checkpoint()
        if (order is OfficeCommand.PAUSE) == (office in self.paused):
            sentence = f"{office} is {'paused already' if office in self.paused else 'not paused'}."
            raise CommandRejected(RejectionKind.NOTHING_TO_DO, sentence)
        self.paused ^= {office}
        return f"Done: {order}."


@contextmanager
def fake_daemon(path: Path, commands: FakeCommands | None = None) -> Iterator[None]:
    commands = commands or FakeCommands()
    app = make_admin_app(commands=commands, diagnostics=commands)
    with start_blocking_portal() as portal:
        serving, _ = portal.start_task(serve_control, path, app)
        try:
            yield
        finally:
            serving.cancel()
