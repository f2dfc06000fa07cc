"""A journal for each office, times of a night, runs of the maintenance jobs, and the outbox of the sinks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Add the tables behind `explain`, `history` and `sink status`."""
    op.add_column("snapshot", sa.Column("pull_seconds", sa.Float, nullable=False, server_default="0"))
    op.add_column("snapshot", sa.Column("late_at", INSTANT))
    op.create_table(
        "journal",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_office", "journal", ["office", "number"])
    op.add_column("office", sa.Column("history_from", KEY))
    op.create_table(
        "maintenance",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("succeeded_at", INSTANT),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_table(
        "delivery",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
        sa.Column("sink", IDENTIFIER, nullable=False),
        sa.Column("office", KEY, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("snapshot", KEY, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", INSTANT, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("ended_at", INSTANT),
        sqlite_autoincrement=True,
    )
    op.create_index("delivery_queue", "delivery", ["sink", "office", "number"])
    due = sa.text("state = 'due'")
    op.create_index("delivery_due", "delivery", ["sink", "not_before"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "sink",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before", INSTANT),
        sqlite_with_rowid=False,
    )
