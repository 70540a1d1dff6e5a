"""The baseline of the agencies: masters, corporations, cards, requests with sites, images and comments."""

from __future__ import annotations

from alembic import op

from service.migrations import baseline

revision = "0044_agencies"
down_revision = "0043_loaners"


def upgrade() -> None:
    baseline.create("agencies")
    connection = op.get_bind()
    masters = baseline.read_rows("agencies_masters")
    # Sections 8 and 9 word for word; lists that the document names without values have examples, marked as such.
    for name, listed in masters["choices"].items():
        for position, (code, title) in enumerate(listed["values"].items(), 1):
            connection.exec_driver_sql(
                "INSERT INTO agencies_choices (list, code, name, is_example, position) VALUES (%s, %s, %s, %s, %s)",
                (name, code, title, listed["example"], position),
            )
    for position, (code, title, price, pack) in enumerate(masters["options"], 1):
        connection.exec_driver_sql(
            "INSERT INTO agencies_options (code, name, price, is_support_pack, position) VALUES (%s, %s, %s, %s, %s)",
            (code, title, price, pack, position),
        )
    for position, (record, field, part, page, carrier_field) in enumerate(masters["carrier_fields"], 1):
        connection.exec_driver_sql(
            "INSERT INTO agencies_carrier_fields (record, field, part, page, carrier_field, position) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (record, field, part, page, carrier_field, position),
        )


def downgrade() -> None:
    baseline.refuse_downgrade()
