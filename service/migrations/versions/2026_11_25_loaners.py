"""The baseline of the loaners: masters with the document's first rows, forms, history, views."""

from __future__ import annotations

import json

from alembic import op

from service.migrations import baseline

revision = "0043_loaners"
down_revision = "0042_entries"


def upgrade() -> None:
    baseline.create("loaners")
    connection = op.get_bind()
    # The definitions of section 2.3.4 word for word, and the forms of sections 2.1.2 and 3.2.
    for view in baseline.read_rows("loaners_views"):
        connection.exec_driver_sql(
            "INSERT INTO loaners_views (key, name, description, position, filter, source, columns) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                view["データタイプID"],
                view["データタイプ名"],
                view["説明"],
                view["表示順序"],
                None,
                json.dumps(view["データソース設定"], ensure_ascii=False, indent=2),
                json.dumps(view["表示列設定"], ensure_ascii=False, indent=2),
            ),
        )
    for form in baseline.read_rows("loaners_forms"):
        connection.exec_driver_sql(
            "INSERT INTO loaners_forms (kind, number, questions, note, import_only, published_at, published_by) "
            "VALUES (%s, %s, %s, %s, %s, app_now(), 'genba')",
            (
                form["kind"],
                form["number"],
                json.dumps(form["questions"], ensure_ascii=False),
                form["note"],
                form["import_only"],
            ),
        )


def downgrade() -> None:
    baseline.refuse_downgrade()
