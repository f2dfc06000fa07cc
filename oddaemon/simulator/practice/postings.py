"""Entries of a front desk: charges, payments and claims, in bulk overnight or one account at a time by day."""

from collections.abc import Callable, Sequence
from random import Random

from oddaemon.simulator.model.ledger import Entry, Family, settle
from oddaemon.simulator.practice.families import draw_amount_mills

SHARE_OF_FAMILIES_POSTED_A_DAY = (
    0.05  # together with charges that move to the next bucket, some 8 % of the families change a night
)
SHARE_OF_FAMILIES_POSTED_MAX = 0.6  # after weeks without aging


class PostingClerk:
    """Makes entries in the ledgers of one practice. The table changes only when the family is aged.

    Args:
        families: The practice's families.
        rng: The random generator of the world.
        three_decimals: Whether amounts have thousandths.
    """

    def __init__(self, families: Sequence[Family], rng: Random, *, three_decimals: bool) -> None:
        self._families = families
        self._rng = rng
        self._three_decimals = three_decimals
        self._kinds_posted = 0

    def post_since_last_aging(self, day: int, days_passed: float) -> None:
        """Enter the postings between two aging runs: about one family in twenty a day.

        Args:
            day: Ordinal of the day of the entries.
            days_passed: Days since the previous run; a fraction for a second run on the same day.
        """
        share = min(SHARE_OF_FAMILIES_POSTED_MAX, SHARE_OF_FAMILIES_POSTED_A_DAY * days_passed)
        count = min(len(self._families), round(len(self._families) * share))
        for family in self._rng.sample(self._families, count):
            kind = self._rng.random()
            if kind < 0.5:  # noqa: PLR2004 - half of all entries are charges, some pay everything, some are claims
                self._charge(family, day)
            elif kind < 0.8:  # noqa: PLR2004 - as above
                self._pay(family, day)
            elif kind < 0.95:  # noqa: PLR2004 - as above
                settle(family, day)
            else:
                family.set_claims(self._draw_mills(400), day)

    def post_one(self, day: int) -> Family | None:
        """Make one entry for one family that certainly changes its balance.

        The kinds alternate: a payment, a charge, a family that pays everything, a settled family that returns.

        Returns:
            The family, or None in a practice without families.
        """
        turns: tuple[tuple[Callable[[Family, int], None], bool], ...] = (
            (self._pay, True),
            (self._charge, True),
            (settle, True),
            (self._charge, False),
        )
        post, is_open = turns[self._kinds_posted % len(turns)]
        self._kinds_posted += 1
        family = self._choose_family(is_open=is_open)
        if family is not None:
            post(family, day)
        return family

    def _choose_family(self, *, is_open: bool) -> Family | None:
        for _ in range(20):
            if self._families and any((family := self._rng.choice(self._families)).row.money) is is_open:
                return family
        candidates = [family for family in self._families if any(family.row.money) is is_open]
        return self._rng.choice(candidates or self._families) if self._families else None

    def _charge(self, family: Family, day: int) -> None:
        family.entries.append(Entry(day, self._draw_mills(600), self._rng.choice(family.members)))

    def _pay(self, family: Family, day: int) -> None:
        family.entries.append(Entry(day, -self._draw_mills(200), family.guarantor))

    def _draw_mills(self, dollars_max: int) -> int:
        return draw_amount_mills(self._rng, dollars_max, three_decimals=self._three_decimals)
