"""A journal for each office, and how long a pull took and by when it was wanted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.String(27)


def upgrade() -> None:
    """Add what an operator asks afterwards: what was decided, and how a night went."""
    op.add_column("snapshot", sa.Column("pull_seconds", sa.Float, nullable=False, server_default="0"))
    op.add_column("snapshot", sa.Column("late_at", INSTANT))
    op.create_table(
        "journal",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("office", sa.Integer, sa.ForeignKey("office.key"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_office", "journal", ["office", "number"])
