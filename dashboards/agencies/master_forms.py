"""Forms of choices, options and 元フィールド: add, edit, deactivate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import streamlit as st

from dashboards.agencies import corporation_form
from dashboards.client import ApiProblem
from dashboards.ui import editing, forms, masters
from dashboards.ui.masters import Master, text

Values = Mapping[str, Any]
Labels = Mapping[str, str]
PAGES = ("1page", "2page", "5page")
PPS_HELP = "名称に「ガス」を含むPPSを地点で選ぶと、サービス種別がガスになります。"
CODE_HELP = "キャリア管理画面で使う値です。半角の英数字・ハイフン・下線で、20文字以内。あとから変更できません。"


def service_labels(kind: Literal["lists", "records", "parts"]) -> Labels:
    """The service's names of its lists of choices, and of the records and parts of a 元フィールド, in their order;
    empty while the service is away, which the page shows."""
    try:
        labels: Labels = corporation_form.masters()[kind]
    except ApiProblem:
        return {}
    return labels


def list_name(choice: Values) -> str:
    name: str = choice["list"]
    return service_labels("lists").get(name, name)


def _position(form: forms.Form, initial: Values) -> dict[str, int]:
    """A new row has no position: it comes last."""
    if not initial:
        return {}
    return {
        "position": form.field(
            "position", st.number_input, "表示順", value=initial["position"], min_value=1, max_value=1000
        )
    }


def _choice_fields(form: forms.Form, initial: Values, name: str = "") -> dict[str, Any]:
    help = PPS_HELP if (name or initial.get("list")) == "pps" else None
    values: dict[str, Any] = {"name": text(form, "name", "名称", initial, 100, required=True, help=help)}
    if initial.get("is_example"):
        values["is_example"] = form.field(
            "is_example",
            st.toggle,
            "「例」の印を付けておく",
            value=True,
            help="要件定義書に値の記載がない項目です。実際に使う値だと確認できたら、オフにしてください。",
        )
    return values | _position(form, initial)


def _option_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    return {
        "name": text(form, "name", "オプション名", initial, 100, required=True, placeholder="飲食店サポートパック"),
        "price": text(form, "price", "料金（任意）", initial, 50, placeholder="4,378円/月(税込)"),
        "is_support_pack": form.field(
            "is_support_pack", st.toggle, "サポートパックである", value=initial.get("is_support_pack", False)
        ),
        **_position(form, initial),
    }


def _carrier_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    pages = [*dict.fromkeys([*PAGES, *([initial["page"]] if initial else [])])]
    return {
        "page": form.field(
            "page",
            st.selectbox,
            "ページ",
            required=True,
            options=pages,
            index=pages.index(initial["page"]) if initial else None,
            placeholder="選んでください",
        ),
        "carrier_field": text(
            form,
            "carrier_field",
            "元フィールド",
            initial,
            60,
            required=True,
            placeholder="power_zip_code1",
            help="キャリア管理画面の入力欄の名前です。",
        ),
        **_position(form, initial),
    }


CHOICE = Master(
    editing.Record(
        key="agencies.choice",
        path="/api/agencies/choices",
        labels={"name": "名称", "is_example": "例", "position": "表示順"},
        name=lambda choice: f"{list_name(choice)}「{choice['name']}」",
        fields=_choice_fields,
        in_words=lambda choice: {"is_example": "例" if choice["is_example"] else ""},
        putting_away=masters.ARCHIVE_VERB,
    ),
    "新しい入力では選べなくなります。すでに選ばれている依頼・法人・地点の表示は変わりません。あとで元に戻せます。",
    "入力画面で、もう一度選べるようになります。",
    further=("list",),
)
OPTION = Master(
    editing.Record(
        key="agencies.option",
        path="/api/agencies/options",
        labels={"name": "オプション名", "price": "料金", "is_support_pack": "サポートパック", "position": "表示順"},
        name=lambda option: f"オプション「{option['name']}」",
        fields=_option_fields,
        in_words=lambda option: {"is_support_pack": "対象" if option["is_support_pack"] else "対象外"},
        putting_away=masters.ARCHIVE_VERB,
    ),
    "地点の入力で選べなくなります。すでに選ばれている地点の表示は変わりません。あとで元に戻せます。",
    "地点の入力で、もう一度選べるようになります。",
)
CARRIER_FIELD = Master(
    editing.Record(
        key="agencies.carrier_field",
        path="/api/agencies/carrier-fields",
        labels={"page": "ページ", "carrier_field": "元フィールド", "position": "表示順"},
        name=lambda field: f"「{field['title']}」の元フィールド",
        fields=_carrier_fields,
        in_words=lambda _: {},
        putting_away=masters.ARCHIVE_VERB,
    ),
    "キャリア管理画面への入力用の一覧に表示されなくなります。入力済みの値は残り、あとで元に戻せます。",
    "キャリア管理画面への入力用の一覧に、もう一度表示されます。",
    further=("title",),
)


def new_choice(name: str) -> None:
    def fields(form: forms.Form) -> dict[str, Any]:
        code = text(form, "code", "コード", {}, 20, required=True, help=CODE_HELP)
        return {"list": name, "code": code} | _choice_fields(form, {}, name)

    title = list_name({"list": name})
    masters.new(
        CHOICE,
        f"{title}に選択肢を追加する",
        fields,
        lambda values: f"{title}に「{values['name']}」を追加しました。",
        submit="追加する",
    )


def new_option() -> None:
    def fields(form: forms.Form) -> dict[str, Any]:
        code = text(form, "code", "コード", {}, 20, required=True, placeholder="OPT013234", help=CODE_HELP)
        return {"code": code} | _option_fields(form, {})

    masters.new(
        OPTION,
        "オプションを追加する",
        fields,
        lambda values: f"オプション「{values['name']}」を追加しました。",
        submit="追加する",
    )


def new_carrier_field(columns: Mapping[str, Mapping[str, str]]) -> None:
    """`columns`: those that can go to the carrier's screen, by record, with their labels."""
    records, parts = service_labels("records"), service_labels("parts")
    options = {
        (record, name): title for record, titles_by_name in columns.items() for name, title in titles_by_name.items()
    }

    def fields(form: forms.Form) -> dict[str, Any]:
        chosen = form.field(
            "field",
            st.selectbox,
            "項目",
            required=True,
            options=[*options],
            index=None,
            placeholder="選んでください",
            format_func=lambda key: f"{records[key[0]]}：{options[key]}",
        )
        part = form.field(
            "part",
            st.selectbox,
            "部分",
            options=[*parts],
            format_func=parts.__getitem__,
            help="郵便番号・電話番号・日付のように、画面の入力欄が分かれている項目で選びます。",
        )
        record, name = chosen or ("", "")
        return {"record": record, "field": name, "part": part} | _carrier_fields(form, {})

    masters.new(
        CARRIER_FIELD,
        "元フィールドを追加する",
        fields,
        lambda values: f"元フィールド「{values['carrier_field']}」を追加しました。",
        submit="追加する",
    )
