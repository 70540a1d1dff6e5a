"""Rules of the masters: which lists are fixed, and which columns can have a field in the carrier's screen."""

from __future__ import annotations

from service.agencies.rules import AREA, CARD_FIELDS, CORPORATION_FIELDS, SITE_FIELDS

# The product's behaviour depends on these codes: names can be changed, but no code can be added or archived.
FIXED = frozenset({"customer_type", "service_type"})
FIXED_REFUSAL = (
    "この一覧のコードは、入力画面や投入の手順と結びついているため、追加・無効化できません。名称は変更できます。"
)
# The columns of each record that can have a field in the carrier's screen.
COLUMNS = {
    "agency": {"referral_shop_code": "紹介店コード", "referral_shop_name": "紹介店名"},
    # 2.2: the carrier's screen uses this name for the Lコード.
    "user": {**AREA.details, "l_code": "Lコード（紹介店担当者名）"},
    "corporation": CORPORATION_FIELDS | CARD_FIELDS,
    "site": SITE_FIELDS,
}
