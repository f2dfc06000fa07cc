"""Asks one office everything that an examination needs, in as few requests as that takes, at its key's own pace.

What the answers mean is decided by the core. A failure on the way ends the asking: whatever comes after it would only
fail again, and every request costs the key a turn.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TypeVar

import anyio

from oddaemon.core.aging import parse_date
from oddaemon.core.examination import Clocks, Examination, Patient, Seen
from oddaemon.core.examination_rights import REPORTS_SINCE, version_numbers
from oddaemon.core.examination_steps import PREFERENCES, steps_of
from oddaemon.core.examination_way import ends_it
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Cadence, Control, Office, Reader
from oddaemon.core.packing import FIRST_PACKING, LaneCutError
from oddaemon.core.refusal import of_unproven_key
from oddaemon.core.report import Length, together
from oddaemon.opendental import sql, wire
from oddaemon.opendental.client import Api, ApiError, OfficeApi, Session
from oddaemon.opendental.gate import GateClosedError
from oddaemon.settings import OfficeSettings
from oddaemon.settings.office import SPACING_SECONDS
from oddaemon.settings.zone import zones_showing

READ_ALL_SECONDS = SPACING_SECONDS["read_all"]
"""A key that was refused a query may have nothing but Read All, whatever its tier is said to be."""
PAST_THE_END = 1_000_000
"""The report is made whole whatever the offset; behind its end it shows nobody."""
LOOKS_MAX = 12
"""At the report of an office that is read by it; half a million guarantors are found with fewer."""
QUESTIONS_MAX = 1 + len(PREFERENCES) + 2 + 4

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One office, and how it is asked."""

    settings: OfficeSettings
    api: OfficeApi
    cadence: Cadence
    developer_name: str
    asked_by: str
    is_proven: bool = False
    """Whether a key of the office is known to have worked before."""


async def examine(case: Case, api: Api, progress: Progress = lambda _done, _of: None) -> Examination:
    """Examine an office; whatever is wrong with it is in what comes back.

    Args:
        case: The office.
        api: The way to every office.
        progress: Told how many questions are done, of how many at most.
    """
    settings = case.settings
    patient = Patient(
        settings.office,
        settings.remote,
        settings.min_interval_seconds,
        case.cadence,
        former_key_for=case.api.former_key_for,
        developer_name=case.developer_name,
    )
    seen = Seen(api.now(), await api.reach(settings.base_url))
    if seen.reach.failed_at is None:
        interview = _Interview(case, api, seen, progress)
        try:
            await interview.hold()
        except GateClosedError:
            interview.note(interrupted=True)
        seen = interview.seen
    name, steps = settings.office.name, steps_of(patient, seen)
    return Examination(settings.office.id, name, seen.at, case.asked_by, steps, seen.zones)


class _Interview:
    """One question after another, and what came of them so far."""

    def __init__(self, case: Case, api: Api, seen: Seen, progress: Progress) -> None:
        self.seen = seen
        self._case = case
        self._office = case.settings.office
        self._api = api
        self._progress = progress
        self._asked = 0
        self._answered = 0
        self._seconds = 0.0
        self._spacing_seconds = 0.0

    def note(self, **found: object) -> None:
        """Write down what was found."""
        self.seen = replace(self.seen, **found)  # type: ignore[arg-type]  # a field each, checked where it is read

    async def hold(self) -> None:
        """Ask everything.

        Raises:
            GateClosedError: The daemon is stopping; what was answered by then is noted.
        """
        # A query first: it alone shows whether the key may query, and with that how fast it may be asked.
        await self._ask_clocks()
        if self._is_over(self.seen.clocks):
            return
        if isinstance(self.seen.clocks, Failure) and self._case.settings.remote:
            self._spacing_seconds = READ_ALL_SECONDS
        await self._ask_preferences()
        if self._is_over(self.seen.preferences_failure):
            return
        await self._ask_report()
        self.note(clinics=await self._ask(lambda session: session.clinics()))
        if isinstance(self.seen.clocks, Clocks):
            await self._ask_tables()

    @staticmethod
    def _is_over(answer: object) -> bool:
        return isinstance(answer, Failure) and ends_it(answer)

    async def _ask_clocks(self) -> None:
        answer = await self._ask(lambda session: session.clocks())
        if isinstance(answer, Failure):
            self.note(clocks=answer)
            return
        at = self._api.now()
        zones = zones_showing(answer.office_now - answer.utc_now, at)
        self.note(clocks=Clocks(answer.office_now, answer.utc_now, at), zones=zones)

    async def _ask_preferences(self) -> None:
        for name in PREFERENCES:
            answer = await self._ask(partial(_preference, name))
            if isinstance(answer, Failure):
                self.note(preferences_failure=answer)
                return
            self.note(preferences={**self.seen.preferences, name: answer}, preferences_at=self._api.now())

    async def _ask_report(self) -> None:
        version = version_numbers(self.seen.preferences.get("ProgramVersion", ""))
        if version is not None and version < REPORTS_SINCE:
            return
        day = self._day()
        if self._office.reader is Reader.REPORT and isinstance(self.seen.clocks, Failure):
            await self._ask_length(day)
        else:
            await self._ask_page(day, PAST_THE_END, None)

    async def _ask_length(self, day: date) -> None:
        """Only the report can tell how many guarantors there are, by where it ends."""
        clinics: Sequence[int | None] = self._office.clinics or (None,)
        found: list[Length] = []
        looks = 0
        for clinic in clinics:
            length = Length()
            while looks < LOOKS_MAX and (offset := length.next_look(self._office.page_rows)) is not None:
                looks += 1
                page = await self._ask_page(day, offset, clinic)
                if page is None:
                    return
                length = length.after(offset, page, self._office.page_rows)
            found.append(length)
        self.note(length=together(found, len(clinics)))

    async def _ask_page(self, day: date, offset: int, clinic: int | None) -> int | None:
        """How many rows there are on a page of the report, which nobody looks at; None: it is not shown."""
        before = self._seconds
        answer = await self._ask(lambda session: session.report(day, offset, clinic))
        if isinstance(answer, Failure):
            if self.seen.report is None:
                self.note(report=answer)
            return None
        if self.seen.report is None:
            self.note(report=self._seconds - before)
        return len(answer)

    def _day(self) -> date:
        """One that the office has surely reached."""
        try:
            last = parse_date(self.seen.preferences.get("DateLastAging", ""))
        except ValueError:
            last = None
        return last or self._api.now().date()

    async def _ask_tables(self) -> None:
        office, name = self._office, self._case.developer_name
        self.note(shares=await self._ask(lambda session: _shares(session, office)))
        self.note(control=await self._ask(lambda session: _control(session, office)))
        self.note(shape=await self._ask(lambda session: _shape(session, office)))
        if name:
            self.note(held=await self._ask(lambda session: session.holds_key(name)))

    async def _ask(self, question: Callable[[Session], Awaitable[T]]) -> T | Failure:
        """One question, on a connection of its own: a failure spoils it for those after."""
        if self._spacing_seconds:
            await self._api.gate.sleep_until(anyio.current_time() + self._spacing_seconds)
        try:
            # Not with the former key while a change settles: it would hide that the configured one is wrong.
            async with self._case.api.session(configured_only=True) as session:
                answer = await question(session)
                self._took(session.answering_seconds)
                return answer
        except ApiError as error:
            is_proven = self._case.is_proven or self._answered
            return error.failure if is_proven else of_unproven_key(error.failure)
        except (wire.MalformedError, LaneCutError) as error:
            return Failure(Kind.MALFORMED, str(error))
        finally:
            self._asked += 1
            self._progress(self._asked, max(self._asked, QUESTIONS_MAX))

    def _took(self, seconds: float) -> None:
        self._answered += 1
        self._seconds += seconds
        self.note(seconds_a_request=self._seconds / self._answered)


async def _preference(name: str, session: Session) -> str:
    return await session.preference(name)


async def _shares(session: Session, office: Office) -> object:
    return wire.shares(await session.query(sql.shares(office)))


async def _shape(session: Session, office: Office) -> object:
    return wire.shape(await session.query(sql.shape(office)))


async def _control(session: Session, office: Office) -> Control:
    """The statement's control columns, of the same words that every night sends, and no balance beside them."""
    statement = sql.statement(office, FIRST_PACKING, sql.PAT_NUM_MAX)
    return wire.packed(await session.query(statement), FIRST_PACKING).control
