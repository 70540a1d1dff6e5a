"""The fields of a site, outside of `st.form`: what is asked follows from what was chosen, and what was typed stays as a
draft field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboards.agencies import case_words, kana, postal, words
from dashboards.agencies.case_words import CODED
from dashboards.agencies.corporation_words import PREFECTURES
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
# 年月選択: as far back as statements usually are; any other month is typed.
MONTHS_OFFERED = 24
EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)


class Form:
    """The fields of one site. `errors`: field → complaint; `required`: what 投入済 takes; `missing`: what it was
    refused for, complained of as long as nothing stands there."""

    def __init__(
        self, prefix: str, values: Values, masters: Values, errors: Values, required: list[str], missing: list[str]
    ) -> None:
        self.prefix, self.values, self.masters = prefix, values, masters
        self.errors, self.required, self.missing = errors, required, missing

    def key(self, field: str) -> str:
        return f"{self.prefix}.{field}"

    def draw(self) -> dict[str, Any]:
        """What stands in the fields, as the service takes it."""
        typed = {field: self.values[field] for field in case_words.LABELS}
        service = st.session_state.get(self.key("service_type")) or self.values["service_type"]
        for title, fields in case_words.sections(service).items():
            st.markdown(f"**{title}**")
            if title == "使用場所":
                self._address(typed, fields)
                continue
            columns = st.columns(2) if len(fields) > 1 else [st.container()]
            for place, field in enumerate(fields):
                with columns[place % len(columns)]:
                    typed[field] = self._field(field, service)
        return typed

    def _address(self, typed: dict[str, Any], fields: Any) -> None:
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            typed["power_zip_code"] = self._field("power_zip_code", "")
        with right:
            targets = {part: self.key(f"power_{part}") for part in ("prefecture", "city", "town")}
            for part in targets:
                self._begin(f"power_{part}")
            postal.button(self.key("postal"), self.key("power_zip_code"), targets)
        columns = st.columns(2)
        for place, field in enumerate(fields[1:]):
            with columns[place % 2]:
                typed[field] = self._field(field, "")
        name = self.key("power_customer_name")
        kana.button(self.key("kana"), {name: f"{name}_kana"})

    def _begin(self, field: str) -> str:
        """The widget's key, with what it begins with in the session."""
        key = self.key(field)
        if key not in st.session_state:
            value = self.values[field]
            if field == "moving_in_date":
                value = date.fromisoformat(value) if value else None
            if field in CODED or field in ("power_prefecture", "latest_date"):
                value = value or None
            if field in case_words.GROUPED:
                value = case_words.GROUPED[field](value)
            if field == "latest_power_usage":
                value = float(value) if value is not None else None
            st.session_state[key] = value
        return key

    def _field(self, field: str, service: str) -> Any:
        with st.container(gap="xxsmall"):
            value = self._widget(field, case_words.label(field, service) + (REQUIRED if field in self.required else ""))
            message = self.errors.get(field)
            if not message and field in self.missing and case_words.is_empty(value):
                message = "選んでください。" if field in case_words.CHOSEN else "入力してください。"
            if message:
                st.markdown(f":red[:material/error: {plain(message)}]")
        return value

    def _widget(self, field: str, label: str) -> Any:
        if field == "option_plans":
            return self._options()
        if field == "note":
            return st.text_area(label, key=self._begin(field), max_chars=2000, height=96)
        if field == "service_type":
            key = self._begin(field)
            return (
                st.segmented_control(label, [*words.SERVICE], format_func=words.SERVICE.__getitem__, key=key)
                or self.values[field]
            )
        if field in CODED or field == "power_prefecture":
            return self._choice(field, label)
        if field == "latest_date":
            return self._month(field, label)
        if field == "moving_in_date":
            chosen = st.date_input(
                label, key=self._begin(field), min_value=EARLIEST, max_value=LATEST, format="YYYY/MM/DD"
            )
            return chosen.isoformat() if isinstance(chosen, date) else None
        if field == "latest_charges":
            return st.number_input(label, key=self._begin(field), min_value=0, max_value=999_999_999, step=1)
        if field == "latest_power_usage":
            return st.number_input(
                label, key=self._begin(field), min_value=0.0, max_value=9_999_999_999.0, step=1.0, format="%.2f"
            )
        typed = st.text_input(label, key=self._begin(field), max_chars=TEXTS[field], placeholder=HINTS.get(field))
        typed = (typed or "").strip()
        stored = str(self.values[field] or "")
        # Only shown otherwise: nobody has changed it.
        return stored if field in case_words.GROUPED and typed == case_words.GROUPED[field](stored) else typed

    def _choice(self, field: str, label: str) -> str:
        names = words.titles(self.masters, CODED[field]) if field in CODED else dict.fromkeys(PREFECTURES, "")
        key = self._begin(field)
        now = st.session_state[key]
        offered = self._offered(field, now) if field in CODED else [*names]
        if now is not None and now not in offered:
            offered.append(now)
        change: Callable[..., None] | None = self._follow if field == "pps_business_number" else None
        chosen = st.selectbox(
            label,
            offered,
            index=None,
            format_func=lambda code: names.get(code) or code,
            placeholder="選んでください",
            key=key,
            on_change=change,
        )
        return chosen or ""

    def _month(self, field: str, label: str) -> str:
        key = self._begin(field)
        listed = case_words.months(times.now().date(), MONTHS_OFFERED)
        now = st.session_state[key]
        chosen = st.selectbox(
            label,
            [*listed, *([now] if now and now not in listed else [])],
            index=None,
            format_func=case_words.month,
            accept_new_options=True,
            placeholder="選ぶか、2026/10 のように入力",
            key=key,
        )
        return (chosen or "").strip()

    def _offered(self, field: str, now: str | None) -> list[str]:
        listed = self.masters["choices"].get(CODED[field], [])
        return [one["code"] for one in listed if one["in_use"] or one["code"] in (now, self.values[field])]

    def _follow(self) -> None:
        """2.5: サービス種別 follows from the PPS that is chosen; it can be changed after that."""
        chosen = st.session_state.get(self.key("pps_business_number"))
        if name := words.titles(self.masters, CODED["pps_business_number"]).get(chosen or ""):
            st.session_state[self.key("service_type")] = "gas" if "ガス" in name else "electricity"

    def _options(self) -> list[str]:
        held = self.values["option_plans"]
        chosen = []
        columns = st.columns(2)
        listed = [one for one in self.masters["options"] if one["in_use"] or one["code"] in held]
        for place, one in enumerate(listed):
            pack = "【サポートパック】" if one["is_support_pack"] else ""
            key = self.key(f"option_plans.{one['code']}")
            if key not in st.session_state:
                st.session_state[key] = one["code"] in held
            with columns[place % 2]:
                if st.checkbox(f"{plain(one['name'])}{pack}  \n{plain(one['price'])}", key=key):
                    chosen.append(one["code"])
        return chosen
