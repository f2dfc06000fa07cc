"""The tables of a fleet: members, leases and commands; and which programs may write to this database."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
IDENTIFIER = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.String(27).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Add tables, and change none: a program of the previous revision goes on beside this one."""
    op.create_table(
        "member",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        *(sa.Column(name, INSTANT, nullable=False) for name in ("joined_at", "renewed_at", "expires_at")),
        sa.Column("gone_at", INSTANT),
        sa.Column("gone_why", sa.Text),
        sa.Column("knows", KEY, nullable=False, server_default="0"),
        sa.Column("settings", sa.Text, nullable=False, server_default=""),
        sa.Column("offices", sa.Text, nullable=False, server_default="{}"),
        sa.Column("sinks", sa.Text, nullable=False, server_default="{}"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lease",
        sa.Column("kind", IDENTIFIER, primary_key=True),
        sa.Column("name", IDENTIFIER, primary_key=True),
        sa.Column("holder", KEY, sa.ForeignKey("member.number")),
        sa.Column("generation", KEY, nullable=False, server_default="0"),
        sa.Column("fingerprint", sa.Text),
        sa.Column("taken_at", INSTANT),
        sa.Column("asked_at", INSTANT),
        sa.Column("open_until", INSTANT),
        sa.Column("not_before", INSTANT),
        sa.Column("asked_by", KEY),
        sa.Column("spacing_seconds", sa.Float, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 60},
    )
    op.create_table(
        "command",
        sa.Column("number", KEY, sa.Identity(), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("argument", sa.Text, nullable=False),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("by_host", sa.Text, nullable=False),
        sa.Column("by_uid", sa.Integer),
        sa.Column("taken_by", KEY),
        sa.Column("taken_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("outcome", sa.Text),
        sa.Column("is_refused", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_table("compatibility", sa.Column("serves_from", sa.Text, primary_key=True))
    op.execute("INSERT INTO compatibility (serves_from) VALUES ('0004')")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE balance SET (autovacuum_vacuum_scale_factor = 0.02)")
