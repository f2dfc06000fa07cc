"""Pulls in pages that are not complete: a restart continues from them.

A page is one row: its balances together with the checkpoint after it. So a checkpoint never claims a page that is not
stored, and a page of 100 costs one insert.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from oddaemon.core.model import Balance, Checkpoint
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.store.database import Database, Statements
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.values import decode_balances, encode_json, encode_rows

_checkpoint_decoder = msgspec.json.Decoder(Checkpoint)

_ADD = make_statement(
    "INSERT INTO pull_page (office, balances, checkpoint) "
    "SELECT office.key, :balances, :checkpoint FROM office WHERE office.id = :office RETURNING number"
)
_OF_OFFICE = "FROM pull_page WHERE office = (SELECT office.key FROM office WHERE office.id = :office)"
_PAGES = make_statement(f"SELECT balances, checkpoint {_OF_OFFICE} ORDER BY number")
_DISCARD = make_statement(f"DELETE {_OF_OFFICE}")


@dataclass(frozen=True, slots=True)
class OpenPull:
    """The progress of a pull, and its balances so far."""

    checkpoint: Checkpoint
    balances: BalanceRows = field(repr=False)
    """Of a guarantor that was read more than once, the last."""


async def load(db: Database, office_id: str) -> OpenPull | None:
    """The office's open pull; None: it has none, or this version cannot decode it, so start from the beginning."""
    pages = await db.fetch(_PAGES, {"office": office_id}, tuple)
    if not pages:
        return None
    try:
        checkpoint = _checkpoint_decoder.decode(pages[-1][1])
        staged = BalanceRows.of([balance for text, _ in pages for balance in decode_balances(text)])
    except msgspec.DecodeError:
        return None
    return OpenPull(checkpoint, staged)


async def begin(db: Database, office_id: str, page: Collection[Balance], checkpoint: Checkpoint) -> None:
    """Open a pull with its first page; the pages of an earlier pull are deleted.

    Raises:
        OfficeNotRegistered: no such office.
    """
    row = _build_row(office_id, page, checkpoint)

    def replace_pages(statements: Statements) -> bool:
        drop_pages(statements, office_id)
        return bool(statements.execute(_ADD, row))

    if not await db.run(replace_pages):
        raise OfficeNotRegistered(office_id)


async def add_page(db: Database, office_id: str, page: Collection[Balance], checkpoint: Checkpoint) -> None:
    """Store a page and its checkpoint: both or neither.

    Raises:
        OfficeNotRegistered: no such office.
    """
    if not await db.execute_one(_ADD, _build_row(office_id, page, checkpoint)):
        raise OfficeNotRegistered(office_id)


async def discard(db: Database, office_id: str) -> None:
    """Delete the office's open pull, if any."""
    await db.execute_one(_DISCARD, {"office": office_id})


def drop_pages(statements: Statements, office_id: str) -> None:
    """Delete the open pull, as part of a larger transaction."""
    statements.execute(_DISCARD, {"office": office_id})


def _build_row(office_id: str, page: Collection[Balance], checkpoint: Checkpoint) -> dict[str, str]:
    return {
        "balances": encode_rows(BalanceRows.of(page).texts.values()),
        "checkpoint": encode_json(checkpoint),
        "office": office_id,
    }
