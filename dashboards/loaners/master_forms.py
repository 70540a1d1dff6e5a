"""Forms of sites, models and extra columns: register, edit, deactivate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards.loaners import choices
from dashboards.loaners.words import KIND
from dashboards.ui import editing, forms, masters
from dashboards.ui.masters import Master

Values = Mapping[str, Any]
TYPES = {"text": "文字", "number": "数字", "date": "日付", "choice": "選択"}
SITE_LABELS = {
    "code": "拠点コード",
    "name": "拠点名",
    "jurisdiction": "管轄",
    "group_mail": "グループメールアドレス",
    "notifies": "ステータス変更通知",
}
MODEL_LABELS = {"name": "機種名", "maker": "メーカー", "category": "カテゴリ", "note": "備考"}
COLUMN_LABELS = {"title": "項目名", "choices": "選択肢", "required": "必須", "position": "表示順序"}


def _text(form: forms.Form, name: str, label: str, initial: Values, max_length: int, **options: Any) -> str:
    return masters.text(form, name, label, initial, max_length, required=True, **options)


def _site_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    return {
        "name": _text(form, "name", SITE_LABELS["name"], initial, 100, placeholder="大阪"),
        "code": _text(
            form,
            "code",
            SITE_LABELS["code"],
            initial,
            20,
            placeholder="OSAKA",
            help="拠点管理番号の先頭になります。大文字の英語だけ、20文字以内。登録済みの機器の番号は変わりません。",
        ),
        "jurisdiction": _text(form, "jurisdiction", SITE_LABELS["jurisdiction"], initial, 50, placeholder="関西"),
        "group_mail": _text(
            form,
            "group_mail",
            SITE_LABELS["group_mail"],
            initial,
            254,
            placeholder="test-group@example.com",
            help="ステータスが変更されたときと、返却予定日の前後に、ここへメールを送信します。",
        ),
        "notifies": form.field(
            "notifies", st.toggle, "ステータスが変更されたとき、メールで通知する", value=initial.get("notifies", False)
        ),
    }


def _model_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    options = choices.categories()
    return {
        "name": _text(
            form,
            "name",
            MODEL_LABELS["name"],
            initial,
            60,
            placeholder="ThinkPad-X1-Carbon",
            help="スペースとアンダースコアは使えません。ハイフン（-）を使ってください。",
        ),
        "maker": _text(form, "maker", MODEL_LABELS["maker"], initial, 100, placeholder="Lenovo"),
        "category": form.field(
            "category",
            st.selectbox,
            MODEL_LABELS["category"],
            required=True,
            options=[*options],
            index=[*options].index(initial["category"]) if initial.get("category") in options else None,
            format_func=lambda key: f"{options[key]}（{key}）",
        ),
        "note": form.field(
            "note", st.text_area, MODEL_LABELS["note"], value=initial.get("note", ""), max_chars=500, height=80
        ).strip(),
    }


def _column_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    values: dict[str, Any] = {
        "title": _text(form, "title", COLUMN_LABELS["title"], initial, 50, placeholder="充電器の型番")
    }
    lines = form.field(
        "choices",
        st.text_area,
        COLUMN_LABELS["choices"],
        value="\n".join(initial.get("choices", [])),
        height=100,
        help="形式が「選択」のときだけ、1行に1つずつ入力してください。",
    )
    values["choices"] = [line.strip() for line in lines.splitlines() if line.strip()]
    values["position"] = form.field(
        "position",
        st.number_input,
        COLUMN_LABELS["position"],
        value=initial.get("position", 1),
        min_value=1,
        max_value=1000,
    )
    values["required"] = form.field("required", st.toggle, "入力を必須にする", value=initial.get("required", False))
    return values


SITE = Master(
    editing.Record(
        key="loaners.site",
        path="/api/loaners/sites",
        labels=SITE_LABELS,
        name=lambda site: f"拠点「{site['name']}」",
        fields=_site_fields,
        in_words=lambda site: {"notifies": "ON" if site["notifies"] else "OFF"},
        putting_away=masters.ARCHIVE_VERB,
    ),
    "この拠点には新しい機器を登録・移管できなくなります。今ある機器はそのまま残ります。あとで元に戻せます。",
    "この拠点に、もう一度機器を登録・移管できるようになります。",
)
MODEL = Master(
    editing.Record(
        key="loaners.model",
        path="/api/loaners/models",
        labels=MODEL_LABELS,
        name=lambda model: f"機種「{model['name']}」",
        fields=_model_fields,
        in_words=lambda model: {"category": choices.category(model["category"])},
        putting_away=masters.ARCHIVE_VERB,
    ),
    "この機種の機器を新しく登録できなくなります。登録済みの機器はそのまま残ります。あとで元に戻せます。",
    "この機種の機器を、もう一度登録できるようになります。",
)
COLUMN = Master(
    editing.Record(
        key="loaners.column",
        path="/api/loaners/columns",
        labels=COLUMN_LABELS,
        name=lambda column: f"列「{column['title']}」",
        fields=_column_fields,
        in_words=lambda column: {
            "choices": "、".join(column["choices"]),
            "required": "必須" if column["required"] else "任意",
        },
        putting_away=masters.ARCHIVE_VERB,
    ),
    "登録・編集の画面と出力に表示されなくなります。入力済みの値は残り、あとで元に戻せます。",
    "登録・編集の画面と出力に、もう一度表示されます。",
    further=("kind", "value_type"),
)


def _new(master: Master, title: str, fields: Callable[[forms.Form], dict[str, Any]], noun: str) -> None:
    masters.new(
        master,
        title,
        fields,
        lambda values: f"{noun}「{values.get('name') or values['title']}」を登録しました。",
        submit="登録する",
    )


def new_site() -> None:
    def fields(form: forms.Form) -> dict[str, Any]:
        key = _text(
            form,
            "key",
            "拠点ID",
            {},
            20,
            placeholder="osaka",
            help="小文字の英数字だけ、20文字以内。あとから変更できません。",
        )
        return {"key": key} | _site_fields(form, {})

    _new(SITE, "拠点を登録する", fields, "拠点")


def new_model() -> None:
    _new(MODEL, "機種を登録する", lambda form: _model_fields(form, {}), "機種")


def new_column() -> None:
    def fields(form: forms.Form) -> dict[str, Any]:
        kind = form.field("kind", st.selectbox, "マスタ", options=[*KIND], format_func=lambda key: KIND[key])
        value_type = form.field(
            "value_type", st.selectbox, "形式", options=[*TYPES], format_func=lambda key: TYPES[key]
        )
        return {"kind": kind, "value_type": value_type} | _column_fields(form, {})

    _new(COLUMN, "列を追加する", fields, "列")
