"""法人 (2.4). Its card is in `cards`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, VersionColumns

_KANA = "btrim(last_name_kana || ' ' || first_name_kana)"
READING = (
    f"coalesce(nullif(btrim(regexp_replace({_KANA}, "
    "'^(カブシキ[ガカ]イシャ|ユウゲン[ガカ]イシャ|ゴウドウ[ガカ]イシャ|ゴウシ[ガカ]イシャ|ゴウメイ[ガカ]イシャ"
    "|イリョウホウジン(シャダン|ザイダン)?|(イッパン|コウエキ)?(シャダン|ザイダン)ホウジン"
    "|(シャカイフクシ|ガッコウ|シュウキョウ|トクテイヒエイリカツドウ)ホウジン)"
    "|(カブシキ|ユウゲン|ゴウドウ|ゴウシ|ゴウメイ)[ガカ]イシャ$', ''"
    f"), ' 　'), ''), {_KANA})"
)


class Corporation(VersionColumns, Base):
    __tablename__ = "agencies_corporations"
    __table_args__ = (
        UniqueConstraint("id", "agency_id"),
        Index("ix_agencies_corporations_agency_id", "agency_id", "reading", "id"),
        Index("ix_agencies_corporations_reading", "reading", "id"),
        Index("ix_agencies_corporations_number", "corporation_number", postgresql_where="corporation_number <> ''"),
        Index("ix_agencies_corporations_phone1", "phone1", postgresql_where="phone1 <> ''"),
        CheckConstraint(r"last_name ~ '\S'", name="last_name"),
        CheckConstraint("corporation_number ~ '^([0-9]{13})?$'", name="corporation_number"),
        CheckConstraint("zip_code ~ '^([0-9]{7})?$'", name="zip_code"),
        CheckConstraint("billing_zip_code ~ '^([0-9]{7})?$'", name="billing_zip_code"),
        CheckConstraint(
            "NOT billing_address_same OR (billing_zip_code || billing_prefecture || billing_city || billing_town"
            " || billing_street || billing_building || billing_customer_name) = ''",
            name="billing_same",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agency_id: Mapped[int] = mapped_column(ForeignKey("agencies_agencies.id", ondelete="RESTRICT"))
    customer_type: Mapped[str] = mapped_column(String(20))
    corporation_number: Mapped[str] = mapped_column(String(13), server_default="")
    last_name: Mapped[str] = mapped_column(String(100))
    first_name: Mapped[str] = mapped_column(String(100), server_default="")
    last_name_kana: Mapped[str] = mapped_column(String(100), server_default="")
    first_name_kana: Mapped[str] = mapped_column(String(100), server_default="")
    # 法人名, as lists show it.
    name: Mapped[str] = mapped_column(String(201), Computed("btrim(last_name || ' ' || first_name)", persisted=True))
    kana: Mapped[str] = mapped_column(String(201), Computed(_KANA, persisted=True))
    # The kana without カブシキガイシャ and the like at either end, by which lists are sorted.
    reading: Mapped[str] = mapped_column(String(201), Computed(READING, persisted=True))
    # The text that searches match, normalized: without differences of width and case, blanks and hyphens.
    sought: Mapped[str] = mapped_column(
        Text,
        Computed(
            "lower(translate(normalize(last_name || first_name || '|' || last_name_kana || first_name_kana || '|'"
            " || corporation_number || '|' || phone1 || '|' || phone2, NFKC), '- ', ''))",
            persisted=True,
        ),
        deferred=True,
    )
    representative_last_name: Mapped[str] = mapped_column(String(100), server_default="")
    representative_first_name: Mapped[str] = mapped_column(String(100), server_default="")
    representative_last_name_kana: Mapped[str] = mapped_column(String(100), server_default="")
    representative_first_name_kana: Mapped[str] = mapped_column(String(100), server_default="")
    zip_code: Mapped[str] = mapped_column(String(7), server_default="")
    prefecture: Mapped[str] = mapped_column(String(10), server_default="")
    city: Mapped[str] = mapped_column(String(100), server_default="")
    town: Mapped[str] = mapped_column(String(100), server_default="")
    street: Mapped[str] = mapped_column(String(200), server_default="")
    building_name: Mapped[str] = mapped_column(String(200), server_default="")
    phone1: Mapped[str] = mapped_column(String(20), server_default="")
    phone2: Mapped[str] = mapped_column(String(20), server_default="")
    mail_address: Mapped[str] = mapped_column(String(254), server_default="")
    birthday: Mapped[date | None]
    representative_birthday: Mapped[date | None]
    job_type: Mapped[str] = mapped_column(String(20), server_default="")
    payment_type: Mapped[str] = mapped_column(String(20), server_default="")
    invoice: Mapped[str] = mapped_column(String(20), server_default="0")
    payment_certificate: Mapped[str] = mapped_column(String(20), server_default="0")
    billing_address_same: Mapped[bool] = mapped_column(server_default="true")
    billing_zip_code: Mapped[str] = mapped_column(String(7), server_default="")
    billing_prefecture: Mapped[str] = mapped_column(String(10), server_default="")
    billing_city: Mapped[str] = mapped_column(String(100), server_default="")
    billing_town: Mapped[str] = mapped_column(String(100), server_default="")
    billing_street: Mapped[str] = mapped_column(String(200), server_default="")
    billing_building: Mapped[str] = mapped_column(String(200), server_default="")
    billing_customer_name: Mapped[str] = mapped_column(String(200), server_default="")
    sales_channel_id: Mapped[str] = mapped_column(String(20), server_default="")
    # Never archived: it stays as long as its requests.
    archived_at = None
