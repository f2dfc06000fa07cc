"""Offices and their states, open pulls, snapshots, and balances as versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPLICATION_ID = 0x6F646461
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")
MONEY = ("est_balance", "bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "ins_est", "bal_total")


def upgrade() -> None:
    """Create all tables. Migrations do not import `schema`, which changes over time."""
    op.create_table(
        "office",
        sa.Column("key", KEY, sa.Identity(), primary_key=True),
        sa.Column("id", IDENTIFIER, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("wanted", sa.Boolean, nullable=False),
        sa.Column("condition", sa.Text),
        sa.Column("since", INSTANT),
        sa.Column("reason", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("not_before", INSTANT),
        sa.Column("state", sa.Text),
    )
    op.create_table(
        "pull_page",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("balances", sa.Text, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
    )
    op.create_index("pull_page_office", "pull_page", ["office"])
    op.create_table(
        "snapshot",
        sa.Column("id", KEY, sa.Identity(), primary_key=True),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("aging_date", sa.Date, nullable=False),
        sa.Column("observed_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("guarantors", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in (*MONEY, "checksum")),
        sa.Column("new_guarantors", sa.Integer, nullable=False),
        sa.Column("changed_guarantors", sa.Integer, nullable=False),
        sa.Column("cleared_guarantors", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("snapshot_office", "snapshot", ["office", "id"])
    op.create_table(
        "balance",
        sa.Column("office", KEY, primary_key=True, autoincrement=False),
        sa.Column("pat_num", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("valid_from", KEY, primary_key=True, autoincrement=False),
        sa.Column("valid_to", KEY),
        sa.Column("clinic_num", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in MONEY),
        sqlite_with_rowid=False,
    )
    current = sa.text("valid_to IS NULL")
    op.create_index(
        "balance_current", "balance", ["office", "pat_num"], unique=True, sqlite_where=current, postgresql_where=current
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"PRAGMA application_id = {APPLICATION_ID}")
