"""The records of 代替機管理 that users edit, with their fields: sites, models, extra columns, views and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from dashboards.contract.loaners import FIELDS, KIND, VALUE_TYPE, ColumnItem
from dashboards.loaners import choices
from dashboards.ui import forms
from dashboards.ui.fields import Choice, Custom, Field, Number, Text, Toggle
from dashboards.ui.records import DEACTIVATE, Record

Values = Mapping[str, Any]

SITE = Record(
    key="loaners.site",
    path="/api/loaners/sites",
    name=lambda site: f"拠点「{site['name']}」",
    fields=(
        Text(
            "key",
            "拠点ID",
            20,
            required=True,
            when="new",
            placeholder="osaka",
            help="小文字の英数字だけ、20文字以内。あとから変更できません。",
        ),
        Text("name", "拠点名", 100, required=True, placeholder="大阪"),
        Text(
            "code",
            FIELDS["code"],
            20,
            required=True,
            placeholder="OSAKA",
            help="拠点管理番号の先頭になります。大文字の英語だけ、20文字以内。登録済みの機器の番号は変わりません。",
        ),
        Text("jurisdiction", FIELDS["jurisdiction"], 50, required=True, placeholder="関西"),
        Text(
            "group_mail",
            FIELDS["group_mail"],
            254,
            required=True,
            placeholder="test-group@example.com",
            help="ステータスが変更されたときと、返却予定日の前後に、ここへメールを送信します。",
        ),
        Toggle(
            "notifies",
            FIELDS["notifies"],
            ("ON", "OFF"),
            title="ステータスが変更されたとき、メールで通知する",
        ),
    ),
    archiving="この拠点には新しい機器を登録・移管できなくなります。今ある機器はそのまま残ります。あとで元に戻せます。",
    restoring="この拠点に、もう一度機器を登録・移管できるようになります。",
    archive_verb=DEACTIVATE,
)
MODEL = Record(
    key="loaners.model",
    path="/api/loaners/models",
    name=lambda model: f"機種「{model['name']}」",
    fields=(
        Text(
            "name",
            "機種名",
            60,
            required=True,
            placeholder="ThinkPad-X1-Carbon",
            help="スペースとアンダースコアは使えません。ハイフン（-）を使ってください。",
        ),
        Text("maker", FIELDS["maker"], 100, required=True, placeholder="Lenovo"),
        Choice(
            "category",
            FIELDS["category"],
            choices.categories,
            required=True,
            words=lambda key, label: f"{label}（{key}）",
        ),
        Text("note", FIELDS["note"], 500, height=80),
    ),
    archiving="この機種の機器を新しく登録できなくなります。登録済みの機器はそのまま残ります。あとで元に戻せます。",
    restoring="この機種の機器を、もう一度登録できるようになります。",
    archive_verb=DEACTIVATE,
)


def _column_choices(form: forms.Form, column: Values) -> list[str]:
    text = form.field(
        "choices",
        st.text_area,
        FIELDS["choices"],
        value="\n".join(column.get("choices", [])),
        height=100,
        help="形式が「選択」のときだけ、1行に1つずつ入力してください。",
    )
    return [line.strip() for line in text.splitlines() if line.strip()]


COLUMN = Record(
    key="loaners.column",
    path="/api/loaners/columns",
    name=lambda column: f"列「{column['title']}」",
    fields=(
        Choice("kind", "マスタ", lambda: KIND, when="new", default="terminal"),
        Choice("value_type", FIELDS["value_type"], lambda: VALUE_TYPE, when="new", default="text"),
        Text("title", FIELDS["title"], 50, required=True, placeholder="充電器の型番"),
        Custom("choices", FIELDS["choices"], _column_choices, lambda column: "、".join(column["choices"])),
        Number("position", FIELDS["position"], 1, 1000, default=1),
        Toggle("required", FIELDS["required"], ("必須", "任意"), title="入力を必須にする"),
    ),
    archiving="登録・編集の画面と出力に表示されなくなります。入力済みの値は残り、あとで元に戻せます。",
    restoring="登録・編集の画面と出力に、もう一度表示されます。",
    archive_verb=DEACTIVATE,
)


@dataclass(frozen=True)
class Json(Field):
    """JSON of several lines; None when it is empty. `height` in pixels."""

    height: int

    def draw(self, form: forms.Form, values: Values) -> str | None:
        text: str = self._widget(form, st.text_area, value=values.get(self.name) or "", height=self.height)
        return text.strip() or None


VIEW = Record(
    key="loaners.view",
    path="/api/loaners/views",
    name=lambda view: f"データタイプ「{view['name']}」",
    fields=(
        Text(
            "key",
            "データタイプID",
            30,
            required=True,
            when="new",
            placeholder="PRINTERS",
            help="英語の大文字とアンダースコア（_）で入力してください。登録したあとは変えられません。",
        ),
        Text("name", "データタイプ名", 50, required=True),
        Text("description", FIELDS["description"], 200),
        Number("position", FIELDS["position"], 1, 1_000_000, default=1),
        Json(
            "filter",
            FIELDS["filter"],
            68,
            help='絞り込まないときは空欄にします。例: {"status": "active", "機器種別": ["端末"]}',
        ),
        Json(
            "source",
            FIELDS["source"],
            260,
            required=True,
            help="データの取得元と列の対応（JSON）。保存するときに内容を確認します。",
        ),
        Json(
            "columns",
            FIELDS["columns"],
            260,
            required=True,
            help="表示する列（JSON）。ステータス連動では baseColumns と columnFilterRules を使います。",
        ),
    ),
    archiving="機器一覧のデータタイプから選べなくなります。あとで元に戻せます。",
    restoring="機器一覧のデータタイプから、もう一度選べるようになります。",
    archive_verb=DEACTIVATE,
)


def _asset_number(form: forms.Form, device: Values) -> str:
    """Terminals have one; other devices may have one from a file."""
    is_terminal = device["kind"] == "terminal"
    if not (is_terminal or device.get("asset_number")):
        return ""
    text = Text("asset_number", FIELDS["asset_number"], 50, required=is_terminal, placeholder="ASSET_001")
    return text.draw(form, device)


def _of_terminals(name: str, placeholder: str) -> Custom:
    text = Text(name, FIELDS[name], 100, placeholder=placeholder)

    def draw(form: forms.Form, device: Values) -> str:
        stored: str = device.get(name, "")
        return text.draw(form, device) if device["kind"] == "terminal" else stored

    return Custom(name, text.label, draw, text.in_words)


def _extra_values(form: forms.Form, device: Values) -> dict[str, str]:
    """The extra columns of the device's kind. Values of columns that are inactive stay."""
    values: dict[str, str] = dict(device.get("extra") or {})
    for column in choices.extra_columns(device["kind"]):
        values[str(column["id"])] = _extra_value(form, column, values.get(str(column["id"]), ""))
    return {key: value for key, value in values.items() if value}


def _extra_value(form: forms.Form, column: ColumnItem, value: str) -> str:
    name, title, required = f"extra.{column['id']}", column["title"], column["required"]
    if column["value_type"] == "choice":
        index = column["choices"].index(value) if value in column["choices"] else None
        return form.field(name, st.selectbox, title, required=required, options=column["choices"], index=index) or ""
    if column["value_type"] == "date":
        stored = date.fromisoformat(value) if value else None
        chosen = form.field(name, st.date_input, title, required=required, value=stored, format="YYYY/MM/DD")
        return chosen.isoformat() if chosen else ""
    text: str = form.field(name, st.text_input, title, required=required, value=value, max_chars=200)
    return text.strip()


def _extra_in_words(device: Values) -> str:
    titles = {str(column["id"]): column["title"] for column in choices.extra_columns(device["kind"])}
    return "、".join(f"{titles.get(key, key)}: {value}" for key, value in device["extra"].items())


# Registered, archived and restored in dialogs of their own: `device_forms`.
DEVICE = Record(
    key="loaners.device",
    path="/api/loaners/devices",
    name=lambda device: f"機器「{device['number']}」",
    fields=(
        Custom("asset_number", FIELDS["asset_number"], _asset_number, lambda device: device["asset_number"]),
        _of_terminals("software", "Office 2021"),
        _of_terminals("os", "Windows 11"),
        Custom("extra", FIELDS["extra"], _extra_values, _extra_in_words),
    ),
    further=("number", "kind"),
)


def new(record: Record, title: str) -> None:
    record.new(title, lambda values: f"{record.name(values)}を登録しました。")
