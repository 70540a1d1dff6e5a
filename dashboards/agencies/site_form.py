"""The fields of a site, outside of `st.form`: the values decide which fields are shown, and each change is stored in
the draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboards.agencies import case_words, kana, postal, words
from dashboards.agencies.case_words import CODE_LISTS
from dashboards.agencies.corporation_words import PREFECTURES
from dashboards.contract.agencies import SERVICE, Masters
from dashboards.ui import times
from dashboards.ui.text import plain

Values = Mapping[str, Any]
TEXTS = {
    "power_customer_number": 40,
    "power_customer_location_number": 40,
    "power_zip_code": 20,
    "power_city": 100,
    "power_town": 100,
    "power_street": 200,
    "power_building": 200,
    "power_room_number": 20,
    "power_branch_name": 100,
    "power_customer_name": 200,
    "power_customer_name_kana": 200,
    "power_plan_name": 100,
    "contract_capacity": 20,
}
HINTS = {
    "power_zip_code": "150-0002",
    "power_customer_location_number": "03-0000-1111-2222-3333-4444",
    "power_customer_name_kana": "ひらがな・半角カナも入力できます",
}
REQUIRED = " :red-badge[必須]"
# 年月選択: the usual range of statements; any other month can be typed.
MONTHS_OFFERED = 24
EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)


class Form:
    """The fields of one site. `errors`: field → message; `required`: the fields that 投入済 needs; `missing`: the
    fields for which 投入済 was refused: each is marked until it is filled."""

    def __init__(
        self, prefix: str, values: Values, masters: Masters, errors: Values, required: list[str], missing: list[str]
    ) -> None:
        self.prefix, self.values, self.masters = prefix, values, masters
        self.errors, self.required, self.missing = errors, required, missing

    def key(self, field: str) -> str:
        return f"{self.prefix}.{field}"

    def draw(self) -> dict[str, Any]:
        """The values of the fields, as the service expects them."""
        result = {field: self.values[field] for field in case_words.LABELS}
        service = st.session_state.get(self.key("service_type")) or self.values["service_type"]
        for title, fields in case_words.sections(service).items():
            st.markdown(f"**{title}**")
            if title == "使用場所":
                self._address(result, fields)
                continue
            columns = st.columns(2) if len(fields) > 1 else [st.container()]
            for index, field in enumerate(fields):
                with columns[index % len(columns)]:
                    result[field] = self._field(field, service)
        return result

    def _address(self, result: dict[str, Any], fields: Any) -> None:
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            result["power_zip_code"] = self._field("power_zip_code", "")
        with right:
            targets = {part: self.key(f"power_{part}") for part in ("prefecture", "city", "town")}
            for part in targets:
                self._widget_key(f"power_{part}")
            postal.button(self.key("postal"), self.key("power_zip_code"), targets)
        columns = st.columns(2)
        for index, field in enumerate(fields[1:]):
            with columns[index % 2]:
                result[field] = self._field(field, "")
        name = self.key("power_customer_name")
        kana.button(self.key("kana"), {name: f"{name}_kana"})

    def _widget_key(self, field: str) -> str:
        """Puts the initial value into the session and returns the widget's key."""
        key = self.key(field)
        if key not in st.session_state:
            value = self.values[field]
            if field == "moving_in_date":
                value = date.fromisoformat(value) if value else None
            if field in CODE_LISTS or field in ("power_prefecture", "latest_date"):
                value = value or None
            if field in case_words.FORMATTERS:
                value = case_words.FORMATTERS[field](value)
            if field == "latest_power_usage":
                value = float(value) if value is not None else None
            st.session_state[key] = value
        return key

    def _field(self, field: str, service: str) -> Any:
        with st.container(gap="xxsmall"):
            value = self._widget(field, case_words.label(field, service) + (REQUIRED if field in self.required else ""))
            message = self.errors.get(field)
            if not message and field in self.missing and case_words.is_empty(value):
                message = "選んでください。" if field in case_words.SELECT_FIELDS else "入力してください。"
            if message:
                st.markdown(f":red[:material/error: {plain(message)}]")
        return value

    def _widget(self, field: str, label: str) -> Any:
        if field == "option_plans":
            return self._option_plans()
        if field == "note":
            return st.text_area(label, key=self._widget_key(field), max_chars=2000, height=96)
        if field == "service_type":
            key = self._widget_key(field)
            return (
                st.segmented_control(label, [*SERVICE], format_func=SERVICE.__getitem__, key=key) or self.values[field]
            )
        if field in CODE_LISTS or field == "power_prefecture":
            return self._choice(field, label)
        if field == "latest_date":
            return self._month(field, label)
        if field == "moving_in_date":
            chosen = st.date_input(
                label, key=self._widget_key(field), min_value=EARLIEST, max_value=LATEST, format="YYYY/MM/DD"
            )
            return chosen.isoformat() if isinstance(chosen, date) else None
        if field == "latest_charges":
            return st.number_input(label, key=self._widget_key(field), min_value=0, max_value=999_999_999, step=1)
        if field == "latest_power_usage":
            return st.number_input(
                label, key=self._widget_key(field), min_value=0.0, max_value=9_999_999_999.0, step=1.0, format="%.2f"
            )
        text = st.text_input(label, key=self._widget_key(field), max_chars=TEXTS[field], placeholder=HINTS.get(field))
        text = (text or "").strip()
        stored = str(self.values[field] or "")
        # Only displayed differently: not changed.
        return stored if field in case_words.FORMATTERS and text == case_words.FORMATTERS[field](stored) else text

    def _choice(self, field: str, label: str) -> str:
        names = words.titles(self.masters, CODE_LISTS[field]) if field in CODE_LISTS else dict.fromkeys(PREFECTURES, "")
        key = self._widget_key(field)
        current = st.session_state[key]
        codes = [*names]
        if field in CODE_LISTS:
            codes = words.active_codes(self.masters, CODE_LISTS[field], current, self.values[field])
        if current is not None and current not in codes:
            codes.append(current)
        on_change: Callable[..., None] | None = self._apply_service_type if field == "pps_business_number" else None
        chosen = st.selectbox(
            label,
            codes,
            index=None,
            format_func=lambda code: names.get(code) or code,
            placeholder="選んでください",
            key=key,
            on_change=on_change,
        )
        return chosen or ""

    def _month(self, field: str, label: str) -> str:
        key = self._widget_key(field)
        month_names = case_words.months(times.now().date(), MONTHS_OFFERED)
        current = st.session_state[key]
        chosen = st.selectbox(
            label,
            [*month_names, *([current] if current and current not in month_names else [])],
            index=None,
            format_func=case_words.month,
            accept_new_options=True,
            placeholder="選ぶか、2026/10 のように入力",
            key=key,
        )
        return (chosen or "").strip()

    def _apply_service_type(self) -> None:
        """2.5: the selected PPS sets サービス種別, which can be changed afterwards."""
        chosen = st.session_state.get(self.key("pps_business_number"))
        if name := words.titles(self.masters, CODE_LISTS["pps_business_number"]).get(chosen or ""):
            st.session_state[self.key("service_type")] = "gas" if "ガス" in name else "electricity"

    def _option_plans(self) -> list[str]:
        selected = self.values["option_plans"]
        chosen = []
        columns = st.columns(2)
        options = [option for option in self.masters["options"] if option["in_use"] or option["code"] in selected]
        for index, option in enumerate(options):
            pack_mark = "【サポートパック】" if option["is_support_pack"] else ""
            key = self.key(f"option_plans.{option['code']}")
            if key not in st.session_state:
                st.session_state[key] = option["code"] in selected
            with columns[index % 2]:
                if st.checkbox(f"{plain(option['name'])}{pack_mark}  \n{plain(option['price'])}", key=key):
                    chosen.append(option["code"])
        return chosen
