"""Corporations in the order of their names, without what kind of company they are: not all 株式会社 in a row."""

from __future__ import annotations

from alembic import op

revision = "0035_agencies_reading"
down_revision = "0034_reservations_guides"

# As `service.agencies.corporations.models`. Written at either end; those of one line begin with those of a longer one.
UPGRADE = """
ALTER TABLE agencies_corporations ADD reading varchar(201) NOT NULL GENERATED ALWAYS AS (
    coalesce(nullif(btrim(regexp_replace(
        btrim(last_name_kana || ' ' || first_name_kana),
        '^(カブシキ[ガカ]イシャ|ユウゲン[ガカ]イシャ|ゴウドウ[ガカ]イシャ|ゴウシ[ガカ]イシャ|ゴウメイ[ガカ]イシャ'
        '|イリョウホウジン(シャダン|ザイダン)?|(イッパン|コウエキ)?(シャダン|ザイダン)ホウジン'
        '|(シャカイフクシ|ガッコウ|シュウキョウ|トクテイヒエイリカツドウ)ホウジン)'
        '|(カブシキ|ユウゲン|ゴウドウ|ゴウシ|ゴウメイ)[ガカ]イシャ$',
        ''
    ), ' 　'), ''), btrim(last_name_kana || ' ' || first_name_kana))
) STORED;
DROP INDEX ix_agencies_corporations_agency_id;
DROP INDEX ix_agencies_corporations_kana;
CREATE INDEX ix_agencies_corporations_agency_id ON agencies_corporations (agency_id, reading, id);
CREATE INDEX ix_agencies_corporations_reading ON agencies_corporations (reading, id);
"""

DOWNGRADE = """
ALTER TABLE agencies_corporations DROP reading;
CREATE INDEX ix_agencies_corporations_agency_id ON agencies_corporations (agency_id, kana, id);
CREATE INDEX ix_agencies_corporations_kana ON agencies_corporations (kana, id);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DOWNGRADE)
