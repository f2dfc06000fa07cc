"""Jobs that read past days, what they have read so far, and their results."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INSTANT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")
MONEY = ("est_balance", "bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "ins_est", "bal_total")


def upgrade() -> None:
    """Add tables for backfilled days. They stay apart from the snapshots, which were true when they were read."""
    op.create_table(
        "backfill",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("ordered_at", INSTANT, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("not_before", INSTANT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("rereads", sa.Integer, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.UniqueConstraint("office", "as_of", name="backfill_day"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "backfill_page",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("backfill", KEY, sa.ForeignKey("backfill.number"), nullable=False),
        sa.Column("balances", sa.Text, nullable=False),
        sa.Column("progress", sa.Text, nullable=False),
    )
    op.create_index("backfill_page_backfill", "backfill_page", ["backfill"])
    op.create_table(
        "historical_snapshot",
        sa.Column("id", KEY, sa.Identity(), primary_key=True),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("guarantors", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in MONEY),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("office", "as_of", name="historical_snapshot_day"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "historical_balance",
        sa.Column("snapshot", KEY, primary_key=True, autoincrement=False),
        sa.Column("pat_num", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("clinic_num", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in MONEY),
        sqlite_with_rowid=False,
    )
