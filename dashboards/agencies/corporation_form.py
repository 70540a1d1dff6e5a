"""The fields of a corporation, for whoever registers one and whoever edits it: outside of `st.form`, because what is
asked follows from 契約者区分, 支払方法 and 請求書送付先.

    values = corporation_form.draw(key, known, masters, intake, errors=errors)

What was typed stays while the form is away (a confirmation step), and where a field comes and goes. A card's number is
in the answer as long as it stands in its field, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from dashboards.agencies import kana, postal
from dashboards.agencies.corporation_words import (
    BY_CARD,
    CODED,
    ELSEWHERE,
    INDIVIDUAL,
    LABELS,
    PREFECTURES,
    SAME,
    SECTIONS,
    drawn,
    label,
)
from dashboards.agencies.words import titles
from dashboards.ui import kept, times
from dashboards.ui.text import plain, small

Values = Mapping[str, Any]
EARLIEST = date(1900, 1, 1)
CARD = ("number", "expire_month", "expire_year", "holder", "security_code")
NOT_KEPT = "カード情報は下書きに残りません。画面を読み込み直したときは、もう一度入力してください。"
KANA = "全角カタカナ。ひらがな・半角カナは保存するときに直します。"
PLACEHOLDERS = {
    "corporation_number": "7123456789012",
    "zip_code": "150-0002",
    "billing_zip_code": "150-0002",
    "street": "1丁目2-3",
    "phone1": "03-1234-5678",
    "phone2": "090-1234-5678",
    "mail_address": "name@example.com",
}
# As the service names what is wrong with a card, and the words above the fields.
CARD_LABELS = {
    "card": "カード情報",
    "card.number": "カード番号",
    "card.expire_month": "有効期限（月）",
    "card.expire_year": "有効期限（年）",
    "card.holder": "カード名義",
    "card.security_code": "セキュリティコード",
}
LONGEST = {
    **dict.fromkeys(("corporation_number", "zip_code", "billing_zip_code", "phone1", "phone2"), 40),
    **dict.fromkeys(("street", "building_name", "billing_street", "billing_building", "billing_customer_name"), 200),
    "mail_address": 254,
}
# The keys that a phone offers: digits, or those of an address.
KEYS: Mapping[str, str] = {
    **dict.fromkeys(
        ("corporation_number", "zip_code", "billing_zip_code", "phone1", "phone2", "card.number", "card.expire_month",
         "card.expire_year"), "phone",
    ),
    "mail_address": "email",
}  # fmt: skip


def masters() -> dict[str, Any]:
    """Raises ApiProblem."""
    return kept.held("agencies.masters", "/api/agencies/masters")


def intake() -> dict[str, Any]:
    """Whether cards are taken here. Raises ApiProblem."""
    return kept.held("agencies.card_intake", "/api/agencies/card-intake")


class _Form:
    def __init__(self, prefix: str, values: Values, masters: Values, errors: Mapping[str, str]) -> None:
        self.prefix, self.masters, self.errors = prefix, masters, errors
        self.kept: dict[str, Any] = st.session_state.setdefault(f"{prefix}.kept", {**values})
        # With or without what stands before the fields of a larger form.
        self.said = {field.removeprefix("corporation."): message for field, message in errors.items()}

    def key(self, field: str) -> str:
        return f"{self.prefix}.{field}"

    def begun(self, field: str, value: Any) -> str:
        """The widget's key, with what was typed there last in the session."""
        if self.key(field) not in st.session_state:
            st.session_state[self.key(field)] = self.kept.get(field, value)
        return self.key(field)

    def field(self, field: str, draw: Callable[[], Any]) -> Any:
        with st.container(gap="xxsmall"):
            value = draw()
            if message := self.said.get(field):
                st.markdown(f":red[:material/error: {plain(message)}]")
        self.kept[field] = value
        return value

    def text(self, field: str, label: str = "", *, required: bool = False, **options: Any) -> str:
        mark = " :red-badge[必須]" if required else ""
        given = {"max_chars": LONGEST.get(field, 100), "placeholder": PLACEHOLDERS.get(field)} | _keys(field) | options
        shown = f"{label or LABELS.get(field) or CARD_LABELS[field]}{mark}"
        typed = self.field(field, lambda: st.text_input(shown, key=self.begun(field, ""), **given))
        return (typed or "").strip()

    def choice(
        self, field: str, *, required: bool = False, radio: bool = False, value: str = "", alone: bool = False
    ) -> str:
        """`alone`: it is all of its section, whose title its label is then."""
        known = titles(self.masters, CODED[field]) if field in CODED else dict.fromkeys(PREFECTURES, "")
        now = self.kept.get(field) or value or None
        listed = _offered(self.masters, field, now) if field in CODED else [*known]
        if now is not None and now not in listed:
            listed.append(now)
        if not self.kept.get(field):
            self.kept[field] = now
        shown = f"**{LABELS[field]}**" if alone else LABELS[field]
        shown += " :red-badge[必須]" if required else ""
        options: dict[str, Any] = {"options": listed, "format_func": lambda code: known.get(code) or code}
        key = self.begun(field, now)
        # Only where it changes something: what is put here wins over what is chosen before the browser has drawn it.
        if st.session_state[key] not in (now, *listed):
            st.session_state[key] = now
        draw = (
            (lambda: st.radio(shown, key=key, horizontal=True, **options))
            if radio
            else (lambda: st.selectbox(shown, key=key, placeholder="選んでください", **options))
        )
        return self.field(field, draw) or ""

    def day(self, field: str, *, required: bool = False) -> str | None:
        if isinstance(written := self.kept.get(field), str):
            self.kept[field] = date.fromisoformat(written) if written else None
        mark = " :red-badge[必須]" if required else ""
        chosen = self.field(
            field,
            lambda: st.date_input(
                f"{LABELS[field]}{mark}", key=self.begun(field, None), min_value=EARLIEST,
                max_value=times.now().date(), format="YYYY/MM/DD",
            ),
        )  # fmt: skip
        said: str | None = chosen.isoformat() if chosen else None
        self.kept[field] = said
        return said


def _keys(field: str) -> dict[str, Any]:
    """The keys alone: an icon, an example, checks and the salesman's own number come with them otherwise."""
    if field not in KEYS:
        return {}
    off = {"icon": "", "validate": "", "autocomplete": "off", "placeholder": PLACEHOLDERS.get(field, "")}
    return {"type": KEYS[field]} | off


def _offered(masters: Values, field: str, now: str | None) -> list[str]:
    """Codes in use, and the one that is chosen already."""
    listed = masters["choices"].get(CODED[field], [])
    return [one["code"] for one in listed if one["in_use"] or one["code"] == now]


def draw(
    prefix: str,
    values: Values,
    masters: Values,
    intake: Values,
    *,
    card: Values | None = None,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What stands in the fields, as the service takes it; `card` only where something of one was typed.

    Args:
        values: what the fields begin with, when the form is drawn under this prefix for the first time.
        masters: the answer of /api/agencies/masters; `intake` that of /api/agencies/card-intake.
        card: the summary of the card that is there already; it stays unless another one is typed.
        errors: field → complaint, as the service says them; those of a larger form under corporation.….
    """
    form = _Form(prefix, values, masters, errors or {})
    typed: dict[str, Any] = {}
    typed["customer_type"] = form.choice("customer_type", required=True, radio=True, value="2", alone=True)
    sections = drawn(typed | {"billing_address_same": True})
    _names(form, typed, sections)
    _section("住所")
    _address(form, typed, "", required=True)
    _section("連絡先")
    left, right = st.columns(2)
    with left:
        typed["phone1"] = form.text("phone1", required=True)
    with right:
        typed["phone2"] = form.text("phone2")
    typed["mail_address"] = form.text("mail_address")
    if len(sections["生年月日"]) > 1:
        _section("生年月日")
    for field, column in zip(sections["生年月日"], st.columns(2), strict=False):
        with column:
            needed = field == "birthday" and typed["customer_type"] == INDIVIDUAL
            typed[field] = form.day(field, required=needed)
    typed["job_type"] = form.choice("job_type", required=typed["customer_type"] != INDIVIDUAL, alone=True)
    _payment(form, typed, intake, card)
    _section("請求書送付先")
    _billing(form, typed)
    typed["sales_channel_id"] = form.choice("sales_channel_id", required=True, alone=True)
    return {**_empty(), **typed}


def fill(prefix: str, values: Values) -> None:
    """Other values in the place of what was typed; a card that was typed stays. Only before the form is drawn, or in a
    callback."""
    kept = st.session_state.get(f"{prefix}.kept", {})
    card = {field: typed for field, typed in kept.items() if field.startswith("card.")}
    forget(prefix)
    st.session_state[f"{prefix}.kept"] = {**values, **card}


def forget(prefix: str) -> None:
    """All that was typed, once it is stored: the card above all."""
    for key in [key for key in st.session_state if str(key).startswith(f"{prefix}.")]:
        del st.session_state[key]


def _empty() -> dict[str, Any]:
    """What is not asked for."""
    fields = [field for section in SECTIONS.values() for field in section]
    return dict.fromkeys(fields, "") | {"birthday": None, "representative_birthday": None}


def _section(title: str) -> None:
    st.markdown(f"**{title}**")


def _names(form: _Form, typed: dict[str, Any], sections: Mapping[str, Any]) -> None:
    words = {field: label(field, typed["customer_type"]) for field in SECTIONS["契約者名"]}
    _section("契約者名")
    if "corporation_number" in sections["契約者名"]:
        typed["corporation_number"] = form.text(
            "corporation_number", required=True, help="国税庁の法人番号公表サイトの13桁の番号です。"
        )
    for pair in (("last_name", "first_name"), ("last_name_kana", "first_name_kana")):
        asked = [field for field in pair if words[field]]
        for field, column in zip(asked, st.columns(len(asked)), strict=True):
            with column:
                help = KANA if field.endswith("kana") else None
                typed[field] = form.text(field, words[field], required=True, help=help)
    _propose(form, "kana", ("last_name", "first_name"))
    if "代表者名" not in sections:
        return
    _section("代表者名")
    for fields in (SECTIONS["代表者名"][:2], SECTIONS["代表者名"][2:]):
        for field, column in zip(fields, st.columns(2), strict=True):
            with column:
                typed[field] = form.text(field, required=True, help=KANA if field.endswith("kana") else None)
    _propose(form, "representative_kana", SECTIONS["代表者名"][:2])


def _propose(form: _Form, key: str, fields: Sequence[str]) -> None:
    kana.button(form.key(key), {form.key(field): form.key(f"{field}_kana") for field in fields})


def _address(form: _Form, typed: dict[str, Any], before: str, *, required: bool) -> None:
    zip_code, building = f"{before}zip_code", "billing_building" if before else "building_name"
    targets = {part: form.key(f"{before}{part}") for part in ("prefecture", "city", "town")}
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        typed[zip_code] = form.text(zip_code, required=required)
    with right:
        postal.button(form.key(f"{before}postal"), form.key(zip_code), targets)
    # Row by row, so that on a phone they stand in the order of an address.
    left, right = st.columns(2)
    with left:
        typed[f"{before}prefecture"] = form.choice(f"{before}prefecture", required=required)
    with right:
        typed[f"{before}city"] = form.text(f"{before}city", required=required)
    left, right = st.columns(2)
    with left:
        typed[f"{before}town"] = form.text(f"{before}town")
    with right:
        typed[f"{before}street"] = form.text(f"{before}street", required=required)
    typed[building] = form.text(building)


def _billing(form: _Form, typed: dict[str, Any]) -> None:
    field = "billing_address_same"
    form.kept.setdefault(field, True)
    key = form.begun(field, True)
    same = form.field(
        field,
        lambda: st.radio(
            LABELS[field], [True, False], key=key, horizontal=True, label_visibility="collapsed",
            format_func=lambda same: SAME if same else ELSEWHERE,
        ),
    )  # fmt: skip
    typed[field] = bool(same)
    if not same:
        _address(form, typed, "billing_", required=True)
        typed["billing_customer_name"] = form.text("billing_customer_name", required=True)


def _payment(form: _Form, typed: dict[str, Any], intake: Values, card: Values | None) -> None:
    typed["payment_type"] = form.choice("payment_type", required=True, radio=True, value="2", alone=True)
    if typed["payment_type"] == BY_CARD:
        if intake["takes_number"]:
            given = _card(form, intake, card)
            if given:
                typed["card"] = given
        else:
            st.info(plain(intake["why"]), icon=":material/credit_card_off:")
    elif card is not None and card["has_number"]:
        st.warning("クレジットカード以外にして保存すると、登録済みのカード情報は削除されます。")
    left, right = st.columns(2)
    with left:
        typed["invoice"] = form.choice("invoice", value="0")
    with right:
        typed["payment_certificate"] = form.choice("payment_certificate", value="0")


def _card(form: _Form, intake: Values, card: Values | None) -> dict[str, str]:
    """What was typed of a card; empty when nothing was."""
    there = card is not None and card["has_number"]
    with st.container(border=True, key=f"{form.prefix}.card_box"):
        if card is not None and there:
            st.markdown(
                f"登録済みのカード: {plain(card['brand'])} **下4桁 {plain(card['last4'])}**　"
                + small("変更するときだけ、下の欄に新しいカードを入力してください。")
            )
        elif card is not None:
            st.markdown(
                f":orange[:material/credit_card_off: 前のカード（下4桁 {plain(card['last4'])}）の番号は、"
                "保管期間が過ぎたため削除されています。もう一度入力してください。]"
            )
        if message := form.said.get("card"):
            st.markdown(f":red[:material/error: {plain(message)}]")
        # Before it is typed: F5 would otherwise seem to have lost it.
        st.markdown(f":material/lock: {NOT_KEPT}")
        needed: dict[str, Any] = {"required": not there, "autocomplete": "off"}
        given = {"number": form.text("card.number", max_chars=30, **needed)}
        left, right = st.columns(2)
        with left:
            given["expire_month"] = form.text("card.expire_month", max_chars=2, **needed)
        with right:
            given["expire_year"] = form.text("card.expire_year", max_chars=4, **needed)
        given["holder"] = form.text("card.holder", max_chars=100, **needed)
        if intake["takes_code"]:
            code = form.text("card.security_code", type="password", max_chars=4, autocomplete="off")
            given |= {"security_code": code} if code else {}
        st.markdown(small("カード番号は暗号化して保管し、営業担当者の画面には表示しません。"))
    return given if any(given.values()) else {}
