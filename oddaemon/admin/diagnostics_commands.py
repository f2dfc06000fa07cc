"""Diagnosis of an office by the daemon, which sends the requests in turn with the office's own worker.

A client starts a diagnosis and polls until it is done. A second client that starts one meanwhile gets the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio.lowlevel

from oddaemon.admin.background_jobs import DONE, IN_PROGRESS, BackgroundJobs
from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind, reject_unknown_office
from oddaemon.admin.fleet_commands import FleetCommands
from oddaemon.core.diagnostics.diagnosis import make_diagnosis_document
from oddaemon.engine.diagnostics.probe import REQUESTS_MAX, ProbeTarget, diagnose
from oddaemon.engine.offices.registry import Registry
from oddaemon.opendental.client import Api
from oddaemon.settings import Settings


@dataclass(frozen=True, slots=True)
class DiagnosticJobs:
    """The last diagnosis of each office."""

    log: CommandLog
    jobs: BackgroundJobs
    """Those of diagnoses alone."""
    registry: Registry
    api: Api
    settings: Callable[[], Settings]
    """The active ones."""
    fleet: FleetCommands | None = None
    """Has other hosts diagnose the offices that they hold; None: this daemon has all offices."""
    _progress: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)
    """Of the last diagnosis of each office: the requests that are sent, and those that it takes at most."""

    async def start(self, office_id: str, uid: int | None) -> str:
        """Start to diagnose an office unless that runs already; returns a sentence for the user.

        Raises:
            CommandRejected: The office has no worker here, so the client may query the office itself.
        """
        await anyio.lowlevel.checkpoint()
        with self.log.record("examine", office_id, uid) as reply:
            if self.fleet is not None and self.fleet.exchange.is_elsewhere(office_id):
                self._require_configured(office_id)
                work = partial(self.fleet.examine, office_id, uid)
            else:
                work = partial(self._diagnose, office_id, self._make_target(office_id))
            if not self.jobs.begin(f"examine {office_id}", work):
                return reply(f"The diagnosis of {office_id} is already running.")
            self._progress[office_id] = (0, REQUESTS_MAX)
            return reply(f"Started the diagnosis of {office_id}.")

    async def examine(self, office_id: str) -> Document:
        """Diagnose an office here, for another host. Returns the result.

        Raises:
            CommandRejected: The office has no worker here.
        """
        return await self._diagnose(office_id, self._make_target(office_id))

    async def get_status(self, office_id: str) -> Document:
        """The progress of the diagnosis, or its result.

        Raises:
            CommandRejected: There is none, or an internal error ended it.
        """
        sentence, advice = f"There is no diagnosis of {office_id!r}.", f"`oddaemon doctor {office_id}` starts one."
        missing = CommandRejected(RejectionKind.NOT_FOUND, sentence, advice)
        result = await self.jobs.get_result(f"examine {office_id}", missing)
        completed, total = self._progress[office_id]
        outcome = IN_PROGRESS if result is None else DONE
        return {"outcome": outcome, "completed": completed, "total": total, "diagnosis": result}

    def _make_target(self, office_id: str) -> ProbeTarget:
        settings, worker = self.settings(), self.registry.get_worker(office_id)
        office = settings.offices.get(office_id)
        if worker is None or office is None:
            sentence, advice = f"No worker runs for {office_id!r}.", "`oddaemon status` lists all offices."
            raise CommandRejected(RejectionKind.NO_WORKER, sentence, advice)
        return ProbeTarget(office, worker.api, settings.api.developer_name, "daemon", worker.has_authenticated)

    def _require_configured(self, office_id: str) -> None:
        if office_id not in self.settings().offices:
            raise reject_unknown_office(office_id, self.settings().offices)

    async def _diagnose(self, office_id: str, target: ProbeTarget) -> Document:
        def update_progress(requests: int, requests_max: int) -> None:
            self._progress[office_id] = (requests, requests_max)

        return make_diagnosis_document(await diagnose(target, self.api, update_progress))
