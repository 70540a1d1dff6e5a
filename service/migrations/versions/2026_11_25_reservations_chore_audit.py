"""脆弱性スキャン names the product's own command. Only where the words are still those that came with it.

1.0.0 meant to do so, but row-level security hid the row from the owner of the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046_reservations_chore_audit"
down_revision = "0045_reservations"

BEFORE = (
    "この製品は、脆弱性のスキャンを自動では行いません（公開されている脆弱性の情報には、外部への接続が必要です）。\n"
    "1. インターネットに接続できる端末に、使っている版の requirements.txt を用意します。\n"
    "2. pip-audit -r requirements.txt を実行し、OSとPostgreSQL・Valkeyの更新情報も確認します。\n"
    "3. 見つかったものと対応の予定を、メモに残します。緊急のものはインシデントに登録します。"
)
AFTER = (
    "この製品は、脆弱性のスキャンを自動では行いません（公開されている脆弱性の情報には、外部への接続が必要です）。\n"
    "1. インターネットに接続できる端末に、使っている版のGenbaを用意します。\n"
    "2. make audit を実行し、OSとPostgreSQL・Valkeyの更新情報も確認します。\n"
    "3. 見つかったものと対応の予定を、メモに残します。緊急のものはインシデントに登録します。"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _reword(BEFORE, AFTER)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _reword(AFTER, BEFORE)


def _reword(old: str, new: str) -> None:
    op.execute("SELECT set_config('genba.areas', '{reservations}', true)")
    op.execute(
        sa.text("UPDATE reservations_chores SET what = :new WHERE code = 'vulnerabilities' AND what = :old").bindparams(
            old=old, new=new
        )
    )
