"""The fields of a corporation, to register and to edit one: outside of `st.form`, because 契約者区分, 支払方法 and
請求書送付先 decide which fields are shown.

    values = corporation_form.draw(key, initial, masters, intake, errors=errors)

What was typed stays while the form is not drawn (a confirmation step), and while a field is hidden. A card's number
is only in the result, as long as it is in its field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import streamlit as st

from dashboards.agencies import kana, postal
from dashboards.agencies.corporation_words import (
    BY_CARD,
    CODE_LISTS,
    ELSEWHERE,
    INDIVIDUAL,
    LABELS,
    PREFECTURES,
    SAME,
    SECTIONS,
    label,
    visible_sections,
)
from dashboards.agencies.words import active_codes, titles
from dashboards.contract.agencies import FIELDS, CardSummary, Intake, Masters
from dashboards.ui import cache, times
from dashboards.ui.text import plain, small

Values = Mapping[str, Any]
Value = TypeVar("Value")
EARLIEST = date(1900, 1, 1)
CARD_NOT_SAVED = "カード情報は下書きに残りません。画面を読み込み直したときは、もう一度入力してください。"
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
# The fields of a card as the service's errors name them, with their labels.
CARD_LABELS = {
    "card": FIELDS["card"],
    "card.number": FIELDS["number"],
    "card.expire_month": "有効期限（月）",
    "card.expire_year": "有効期限（年）",
    "card.holder": FIELDS["holder"],
    "card.security_code": FIELDS["credit_card_security_code"],
}
MAX_LENGTHS = {
    **dict.fromkeys(("corporation_number", "zip_code", "billing_zip_code", "phone1", "phone2"), 40),
    **dict.fromkeys(("street", "building_name", "billing_street", "billing_building", "billing_customer_name"), 200),
    "mail_address": 254,
}
# The keyboard that a phone shows: digits, or that of an address.
KEYBOARDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "corporation_number",
            "zip_code",
            "billing_zip_code",
            "phone1",
            "phone2",
            "card.number",
            "card.expire_month",
            "card.expire_year",
        ),
        "phone",
    ),
    "mail_address": "email",
}


def masters() -> Masters:
    """Raises ApiProblem."""
    answer: Masters = cache.load_cached_answer("agencies.masters", "/api/agencies/masters")
    return answer


def intake() -> Intake:
    """Whether cards are taken here. Raises ApiProblem."""
    answer: Intake = cache.load_cached_answer("agencies.card_intake", "/api/agencies/card-intake")
    return answer


class _Form:
    def __init__(self, prefix: str, values: Values, masters: Masters, errors: Mapping[str, str]) -> None:
        self.prefix, self.masters, self.errors = prefix, masters, errors
        self.stored: dict[str, Any] = st.session_state.setdefault(f"{prefix}.kept", {**values})
        # The values of the fields that were drawn, without those of a card.
        self.result: dict[str, Any] = {}
        # The field names of a larger form have a prefix.
        self.messages = {field.removeprefix("corporation."): message for field, message in errors.items()}

    def key(self, field: str) -> str:
        return f"{self.prefix}.{field}"

    def widget_key(self, field: str, value: Any) -> str:
        """Puts what was typed last into the session and returns the widget's key."""
        if self.key(field) not in st.session_state:
            st.session_state[self.key(field)] = self.stored.get(field, value)
        return self.key(field)

    def field(self, field: str, draw: Callable[[], Any]) -> Any:
        with st.container(gap="xxsmall"):
            value = draw()
            if message := self.messages.get(field):
                st.markdown(f":red[:material/error: {plain(message)}]")
        self.stored[field] = value
        return value

    def text(self, field: str, label: str = "", *, required: bool = False, **options: Any) -> str:
        mark = " :red-badge[必須]" if required else ""
        widget_options = (
            {"max_chars": MAX_LENGTHS.get(field, 100), "placeholder": PLACEHOLDERS.get(field)}
            | _keyboard_options(field)
            | options
        )
        title = f"{label or LABELS.get(field) or CARD_LABELS[field]}{mark}"
        typed: str = self.field(field, lambda: st.text_input(title, key=self.widget_key(field, ""), **widget_options))
        return self._result(field, (typed or "").strip())

    def _result(self, field: str, value: Value) -> Value:
        if field in LABELS:
            self.result[field] = value
        return value

    def choice(
        self, field: str, *, required: bool = False, radio: bool = False, value: str = "", alone: bool = False
    ) -> str:
        """`alone`: the only field of its section; its label is then the section's title."""
        names = titles(self.masters, CODE_LISTS[field]) if field in CODE_LISTS else dict.fromkeys(PREFECTURES, "")
        current = self.stored.get(field) or value or None
        codes = active_codes(self.masters, CODE_LISTS[field], current) if field in CODE_LISTS else [*names]
        if current is not None and current not in codes:
            codes.append(current)
        if not self.stored.get(field):
            self.stored[field] = current
        title = f"**{LABELS[field]}**" if alone else LABELS[field]
        title += " :red-badge[必須]" if required else ""
        options: dict[str, Any] = {"options": codes, "format_func": lambda code: names.get(code) or code}
        key = self.widget_key(field, current)
        # Only when it changes the value: a value set here overrides what the user selects before the browser has drawn
        # it.
        if st.session_state[key] not in (current, *codes):
            st.session_state[key] = current
        draw = (
            (lambda: st.radio(title, key=key, horizontal=True, **options))
            if radio
            else (lambda: st.selectbox(title, key=key, placeholder="選んでください", **options))
        )
        chosen: str = self.field(field, draw) or ""
        return self._result(field, chosen)

    def day(self, field: str, *, required: bool = False) -> None:
        if isinstance(text := self.stored.get(field), str):
            self.stored[field] = date.fromisoformat(text) if text else None
        mark = " :red-badge[必須]" if required else ""
        chosen = self.field(
            field,
            lambda: st.date_input(
                f"{LABELS[field]}{mark}",
                key=self.widget_key(field, None),
                min_value=EARLIEST,
                max_value=times.now().date(),
                format="YYYY/MM/DD",
            ),
        )
        iso_date: str | None = chosen.isoformat() if chosen else None
        self.stored[field] = self._result(field, iso_date)

    def row(self, *draws: Callable[[], object]) -> None:
        """Fields next to each other; a phone shows them one below the other, in this order."""
        for draw, column in zip(draws, st.columns(len(draws)), strict=True):
            with column:
                draw()


def _keyboard_options(field: str) -> dict[str, Any]:
    """Only the keyboard: by default it brings an icon, an example, checks and the salesman's own number."""
    if field not in KEYBOARDS:
        return {}
    overrides = {"icon": "", "validate": "", "autocomplete": "off", "placeholder": PLACEHOLDERS.get(field, "")}
    return {"type": KEYBOARDS[field]} | overrides


def draw(
    prefix: str,
    values: Values,
    masters: Masters,
    intake: Intake,
    *,
    card: CardSummary | None = None,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The values of the fields, as the service expects them. `card` is included only when a part of it was typed.

    Args:
        values: the initial values, when the form is drawn under this prefix for the first time.
        masters: the answer of /api/agencies/masters; `intake` that of /api/agencies/card-intake.
        card: the summary of the stored card; it stays unless another one is typed.
        errors: field → message, as the service sends them; those of a larger form under corporation.….
    """
    form = _Form(prefix, values, masters, errors or {})
    kind = form.choice("customer_type", required=True, radio=True, value="2", alone=True)
    sections = visible_sections({"customer_type": kind, "billing_address_same": True})
    _names(form, kind, sections)
    _section("住所")
    _address(form, "")
    _section("連絡先")
    form.row(lambda: form.text("phone1", required=True), lambda: form.text("phone2"))
    form.text("mail_address")
    if len(sections["生年月日"]) > 1:
        _section("生年月日")
    for field, column in zip(sections["生年月日"], st.columns(2), strict=False):
        with column:
            form.day(field, required=field == "birthday" and kind == INDIVIDUAL)
    form.choice("job_type", required=kind != INDIVIDUAL, alone=True)
    new_card = _payment(form, intake, card)
    _section("請求書送付先")
    _billing(form)
    form.choice("sales_channel_id", required=True, alone=True)
    return {**_empty(), **form.result, **({"card": new_card} if new_card else {})}


def fill(prefix: str, values: Values) -> None:
    """Replaces what was typed by other values; a typed card stays. Only before the form is drawn, or in a callback."""
    stored = st.session_state.get(f"{prefix}.kept", {})
    card = {field: value for field, value in stored.items() if field.startswith("card.")}
    forget(prefix)
    st.session_state[f"{prefix}.kept"] = {**values, **card}


def forget(prefix: str) -> None:
    """Deletes everything that was typed, above all the card, after it is stored."""
    for key in [key for key in st.session_state if str(key).startswith(f"{prefix}.")]:
        del st.session_state[key]


def _empty() -> dict[str, Any]:
    """The values of fields that are not shown."""
    fields = [field for section in SECTIONS.values() for field in section]
    return dict.fromkeys(fields, "") | {"birthday": None, "representative_birthday": None}


def _section(title: str) -> None:
    st.markdown(f"**{title}**")


def _names(form: _Form, kind: str, sections: Mapping[str, Any]) -> None:
    labels = {field: label(field, kind) for field in SECTIONS["契約者名"]}
    _section("契約者名")
    if "corporation_number" in sections["契約者名"]:
        form.text("corporation_number", required=True, help="国税庁の法人番号公表サイトの13桁の番号です。")
    for pair in (("last_name", "first_name"), ("last_name_kana", "first_name_kana")):
        visible = [field for field in pair if labels[field]]
        for field, column in zip(visible, st.columns(len(visible)), strict=True):
            with column:
                form.text(field, labels[field], required=True, help=KANA if field.endswith("kana") else None)
    _kana_button(form, "kana", ("last_name", "first_name"))
    if "代表者名" not in sections:
        return
    _section("代表者名")
    for fields in (SECTIONS["代表者名"][:2], SECTIONS["代表者名"][2:]):
        for field, column in zip(fields, st.columns(2), strict=True):
            with column:
                form.text(field, required=True, help=KANA if field.endswith("kana") else None)
    _kana_button(form, "representative_kana", SECTIONS["代表者名"][:2])


def _kana_button(form: _Form, key: str, fields: Sequence[str]) -> None:
    kana.button(form.key(key), {form.key(field): form.key(f"{field}_kana") for field in fields})


def _address(form: _Form, prefix: str) -> None:
    targets = {part: form.key(f"{prefix}{part}") for part in ("prefecture", "city", "town")}
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        form.text(f"{prefix}zip_code", required=True)
    with right:
        postal.button(form.key(f"{prefix}postal"), form.key(f"{prefix}zip_code"), targets)
    form.row(
        lambda: form.choice(f"{prefix}prefecture", required=True), lambda: form.text(f"{prefix}city", required=True)
    )
    form.row(lambda: form.text(f"{prefix}town"), lambda: form.text(f"{prefix}street", required=True))
    form.text("billing_building" if prefix else "building_name")


def _billing(form: _Form) -> None:
    field = "billing_address_same"
    form.stored.setdefault(field, True)
    key = form.widget_key(field, True)
    same = form.field(
        field,
        lambda: st.radio(
            LABELS[field],
            [True, False],
            key=key,
            horizontal=True,
            label_visibility="collapsed",
            format_func=lambda same: SAME if same else ELSEWHERE,
        ),
    )
    form.result[field] = bool(same)
    if not same:
        _address(form, "billing_")
        form.text("billing_customer_name", required=True)


def _payment(form: _Form, intake: Intake, card: CardSummary | None) -> dict[str, str]:
    """The typed values of a card; empty when nothing was typed."""
    new_card: dict[str, str] = {}
    if form.choice("payment_type", required=True, radio=True, value="2", alone=True) == BY_CARD:
        if intake["takes_number"]:
            new_card = _card(form, intake, card)
        else:
            st.info(plain(intake["why"]), icon=":material/credit_card_off:")
    elif card is not None and card["has_number"]:
        st.warning("クレジットカード以外にして保存すると、登録済みのカード情報は削除されます。")
    form.row(lambda: form.choice("invoice", value="0"), lambda: form.choice("payment_certificate", value="0"))
    return new_card


def _card(form: _Form, intake: Intake, card: CardSummary | None) -> dict[str, str]:
    has_number = card is not None and card["has_number"]
    with st.container(border=True, key=f"{form.prefix}.card_box"):
        if card is not None and has_number:
            st.markdown(
                f"登録済みのカード: {plain(card['brand'])} **下4桁 {plain(card['last4'])}**　"
                + small("変更するときだけ、下の欄に新しいカードを入力してください。")
            )
        elif card is not None:
            st.markdown(
                f":orange[:material/credit_card_off: 前のカード（下4桁 {plain(card['last4'])}）の番号は、"
                "保管期間が過ぎたため削除されています。もう一度入力してください。]"
            )
        if message := form.messages.get("card"):
            st.markdown(f":red[:material/error: {plain(message)}]")
        # Shown before the input, because F5 loses it.
        st.markdown(f":material/lock: {CARD_NOT_SAVED}")
        widget_options: dict[str, Any] = {"required": not has_number, "autocomplete": "off"}
        values = {"number": form.text("card.number", max_chars=30, **widget_options)}
        left, right = st.columns(2)
        with left:
            values["expire_month"] = form.text("card.expire_month", max_chars=2, **widget_options)
        with right:
            values["expire_year"] = form.text("card.expire_year", max_chars=4, **widget_options)
        values["holder"] = form.text("card.holder", max_chars=100, **widget_options)
        if intake["takes_code"]:
            code = form.text("card.security_code", type="password", max_chars=4, autocomplete="off")
            values |= {"security_code": code} if code else {}
        st.markdown(small("カード番号は暗号化して保管し、営業担当者の画面には表示しません。"))
    return values if any(values.values()) else {}
