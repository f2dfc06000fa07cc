"""The families of a practice, with their ledgers at the beginning of the world."""

from collections.abc import Iterator
from random import Random

from oddaemon.simulator.model.balances import Money, StoredBalance
from oddaemon.simulator.model.ledger import Entry, Family, compute_aged_row, recalculate, settle
from oddaemon.simulator.model.spec import PracticeSpec

LAST_NAMES = (
    *("Abbott", "Baker", "Castillo", "Delgado", "Evans", "Fischer", "Garcia", "Hughes", "Ito", "Jensen", "Kowalski"),
    *("Lopez", "Murphy", "Nguyen", "O'Brien", "Patel", "Quinn", "Rossi", "Schmidt", "Tanaka", "Underwood", "Vargas"),
    *("Watanabe", "Xiong", "Young", "Zimmerman"),
)
HISTORY_DAYS_MAX = 400
SPARSE_GAP_MAX = 60
RANDOM_PAT_NUM_BITS = 63

# Shares of families, from the aging report of an office.
SHARE_WITH_CREDIT = 0.06
SHARE_WITH_CLAIMS = 0.3
SHARE_POST_DATED = 0.02
SHARE_WITH_STALE_OWN_BALANCE = 0.1
SHARE_IN_NO_CLINIC = 0.1


def build_families(spec: PracticeSpec, rng: Random, last_aging_day: int, *, ever_aged: bool) -> list[Family]:
    """Make families with a past, in the order of their guarantors' PatNums.

    Args:
        spec: Sizes and habits of the practice.
        rng: The random generator of the world.
        last_aging_day: Ordinal of the day as of which the table was last aged; only post-dated entries are later.
        ever_aged: False: the columns that aging writes stay zero.
    """
    count = spec.guarantors + spec.settled
    settled = set(rng.sample(range(count), spec.settled))
    dependents = rng.choices((0, 1, 2, 3, 4), weights=(45, 20, 18, 12, 5), k=count)
    pat_nums = _make_pat_nums(spec, rng, count + sum(dependents))
    families = []
    for index, dependent_count in enumerate(dependents):
        guarantor = next(pat_nums)
        clinic_num = 0 if rng.random() < SHARE_IN_NO_CLINIC else rng.randint(min(spec.clinics, 1), spec.clinics)
        family = Family(
            guarantor=guarantor,
            dependents=tuple(next(pat_nums) for _ in range(dependent_count)),
            clinic_num=clinic_num,
            last_name=rng.choice(LAST_NAMES),
            row=StoredBalance(guarantor, clinic_num, Money()),
        )
        _add_past_entries(family, rng, last_aging_day, three_decimals=spec.three_decimals)
        if index in settled:
            settle(family, last_aging_day)
        else:
            _add_open_balance(family, rng, last_aging_day, three_decimals=spec.three_decimals)
        _set_row(family, rng, last_aging_day, ever_aged=ever_aged)
        families.append(family)
    return sorted(families, key=lambda family: family.guarantor)


def draw_amount_mills(rng: Random, dollars_max: int, *, three_decimals: bool) -> int:
    """Draw a realistic positive amount: round dollars or odd cents, and thousandths where they are stored."""
    if rng.random() < 0.5:  # noqa: PLR2004 - every other fee is in round dollars
        return rng.randint(10, dollars_max) * 1000
    mills = int(rng.random() * dollars_max * 1000) + 10
    return mills if three_decimals else mills - mills % 10


def _add_past_entries(family: Family, rng: Random, last_day: int, *, three_decimals: bool) -> None:
    members = family.members
    for _ in range(1 + int(rng.random() * 4)):
        day = last_day - int(rng.random() ** 2 * HISTORY_DAYS_MAX)
        pat_num = members[int(rng.random() * len(members))]
        charge_mills = draw_amount_mills(rng, 900, three_decimals=three_decimals)
        family.entries.append(Entry(day, charge_mills, pat_num))
        if rng.random() < 0.6:  # noqa: PLR2004 - most charges are paid, at least in part, within two months
            paid_day = min(last_day, day + int(rng.random() * 60))
            paid_mills = charge_mills if rng.random() < 0.7 else charge_mills // 20 * 10  # noqa: PLR2004 - or half of it
            family.entries.append(Entry(paid_day, -paid_mills, pat_num))


def _add_open_balance(family: Family, rng: Random, last_day: int, *, three_decimals: bool) -> None:
    kind = rng.random()
    if kind < SHARE_WITH_CREDIT:
        prepaid_mills = family.owed_mills + draw_amount_mills(rng, 300, three_decimals=three_decimals)
        family.entries.append(Entry(last_day, -prepaid_mills, family.guarantor))
    elif kind < SHARE_WITH_CREDIT + SHARE_POST_DATED:
        later_mills = draw_amount_mills(rng, 200, three_decimals=three_decimals)
        family.entries.append(Entry(last_day + rng.randint(2, 40), rng.choice((-1, 1)) * later_mills, family.guarantor))
    elif rng.random() < SHARE_WITH_CLAIMS:
        family.ins_est_mills = draw_amount_mills(rng, 400, three_decimals=three_decimals)
    if not any(compute_aged_row(family, last_day).money):
        charge_mills = draw_amount_mills(rng, 500, three_decimals=three_decimals)
        family.entries.append(Entry(last_day - rng.randint(0, 20), charge_mills, family.guarantor))


def _set_row(family: Family, rng: Random, last_day: int, *, ever_aged: bool) -> None:
    family.row = recalculate(family, last_day)
    if any(family.row.money) and rng.random() < SHARE_WITH_STALE_OWN_BALANCE:
        family.est_balance_mills += 10 * rng.randint(1, 5000)
        family.row = compute_aged_row(family, last_day)
    if not ever_aged:
        family.row = family.row._replace(money=Money(est_balance=family.est_balance_mills))


def _make_pat_nums(spec: PracticeSpec, rng: Random, count: int) -> Iterator[int]:
    match spec.pat_nums:
        case "dense":
            return iter(range(spec.first_pat_num, spec.first_pat_num + count))
        case "sparse":
            return _iter_sparse_pat_nums(spec.first_pat_num, rng, count)
        case "random":
            distinct: dict[int, None] = {}
            while len(distinct) < count:
                distinct[rng.getrandbits(RANDOM_PAT_NUM_BITS) or 1] = None
            return iter(distinct)


def _iter_sparse_pat_nums(first: int, rng: Random, count: int) -> Iterator[int]:
    pat_num = first - 1
    for _ in range(count):
        pat_num += rng.randint(1, SPARSE_GAP_MAX)
        yield pat_num
