"""The events, as they were before ledgers had versions: of such a ledger only what is missing is made."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table and its indexes where they are not there."""
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("item_id", sa.Text),
        sa.Column("type", sa.Text),
        sa.Column("timestamp", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    for name, columns in (
        ("events_kind", ["kind", "timestamp"]),
        ("events_session", ["session_id", "kind", "seq"]),
        ("events_user", ["user_id", "kind", "timestamp"]),
    ):
        op.create_index(name, "events", columns, if_not_exists=True)
