"""The records of 申込投入 that administrators edit, with their fields: agencies, and the masters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards.agencies import corporation_form
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CARRIER_RECORD, CHOICE_LIST, FIELD_PART, FIELDS
from dashboards.ui import feedback, forms
from dashboards.ui.fields import Choice, Custom, Number, Text, Toggle
from dashboards.ui.records import DEACTIVATE, Record

Values = Mapping[str, Any]
PAGES = ("1page", "2page", "5page")
PPS_HELP = "名称に「ガス」を含むPPSを地点で選ぶと、サービス種別がガスになります。"
CODE_HELP = "キャリア管理画面で使う値です。半角の英数字・ハイフン・下線で、20文字以内。あとから変更できません。"


def _optional(name: str, max_length: int, placeholder: str, help: str | None = None) -> Text:
    label = FIELDS[name]
    return Text(name, label, max_length, title=f"{label}（任意）", placeholder=placeholder, help=help)


AGENCY = Record(
    key="agencies.agency",
    path="/api/agencies/agencies",
    name=lambda agency: f"代理店「{agency['name']}」",
    fields=(
        Text("name", "代理店名", 100, required=True, placeholder="株式会社AAA代理店"),
        Text(
            "code",
            "代理店コード",
            30,
            required=True,
            placeholder="AAA",
            help="代理店ごとに異なるコードです。半角の英数字・ハイフン・下線で、30文字以内。",
        ),
        _optional("contact_name", 100, "佐藤 一郎"),
        _optional("phone", 20, "03-1234-5678"),
        _optional("mail_address", 254, "sato@example.co.jp"),
        _optional("referral_shop_code", 30, "SHP0001", "キャリア管理画面（1page）に入力する紹介店コードです。"),
        _optional("referral_shop_name", 100, "AAA紹介店", "キャリア管理画面（1page）に入力する紹介店名です。"),
    ),
)


def _code(placeholder: str | None = None) -> Text:
    return Text("code", "コード", 20, required=True, when="new", placeholder=placeholder, help=CODE_HELP)


# A new row has no position: it comes last.
POSITION = Number("position", FIELDS["position"], 1, 1000, when="edit")


def _choice_name(form: forms.Form, choice: Values) -> str:
    help = PPS_HELP if choice["list"] == "pps" else None
    return Text("name", "名称", 100, required=True, help=help).draw(form, choice)


def _example_mark(form: forms.Form, choice: Values) -> bool:
    """The mark can only be removed."""
    help = "要件定義書に値の記載がない項目です。実際に使う値だと確認できたら、オフにしてください。"
    return bool(choice["is_example"]) and form.field(
        "is_example", st.toggle, "「例」の印を付けておく", value=True, help=help
    )


def _page(form: forms.Form, field: Values) -> str | None:
    stored = [field["page"]] if "page" in field else []
    pages = {page: page for page in (*PAGES, *stored)}
    chosen: str | None = Choice("page", "ページ", lambda: pages, required=True, placeholder="選んでください").draw(
        form, field
    )
    return chosen


def _columns() -> dict[tuple[str, str], str]:
    """(record, column) → its label: those that can go to the carrier's screen."""
    columns: Mapping[str, Mapping[str, str]] = corporation_form.masters()["columns"]
    return {(record, name): label for record, labels in columns.items() for name, label in labels.items()}


CHOICE = Record(
    key="agencies.choice",
    path="/api/agencies/choices",
    name=lambda choice: f"{CHOICE_LIST[choice['list']]}「{choice['name']}」",
    fields=(
        _code(),
        Custom("name", "名称", _choice_name, lambda choice: choice["name"]),
        Custom("is_example", "例", _example_mark, lambda choice: "例" if choice["is_example"] else "", when="edit"),
        POSITION,
    ),
    archiving="新しい入力では選べなくなります。すでに選ばれている依頼・法人・地点の表示は変わりません。"
    "あとで元に戻せます。",
    restoring="入力画面で、もう一度選べるようになります。",
    further=("list",),
    archive_verb=DEACTIVATE,
)
OPTION = Record(
    key="agencies.option",
    path="/api/agencies/options",
    name=lambda option: f"オプション「{option['name']}」",
    fields=(
        _code("OPT013234"),
        Text("name", "オプション名", 100, required=True, placeholder="飲食店サポートパック"),
        _optional("price", 50, "4,378円/月(税込)"),
        Toggle("is_support_pack", FIELDS["is_support_pack"], ("対象", "対象外"), title="サポートパックである"),
        POSITION,
    ),
    archiving="地点の入力で選べなくなります。すでに選ばれている地点の表示は変わりません。あとで元に戻せます。",
    restoring="地点の入力で、もう一度選べるようになります。",
    archive_verb=DEACTIVATE,
)
CARRIER_FIELD = Record(
    key="agencies.carrier_field",
    path="/api/agencies/carrier-fields",
    name=lambda field: f"「{field['title']}」の元フィールド",
    fields=(
        Choice(
            "field",
            FIELDS["field"],
            _columns,
            required=True,
            when="new",
            words=lambda key, label: f"{CARRIER_RECORD[key[0]]}：{label}",
            placeholder="選んでください",
        ),
        Choice(
            "part",
            FIELDS["part"],
            lambda: FIELD_PART,
            when="new",
            default="whole",
            help="郵便番号・電話番号・日付のように、画面の入力欄が分かれている項目で選びます。",
        ),
        Custom("page", FIELDS["page"], _page, lambda field: field["page"]),
        Text(
            "carrier_field",
            FIELDS["carrier_field"],
            60,
            required=True,
            placeholder="power_zip_code1",
            help="キャリア管理画面の入力欄の名前です。",
        ),
        POSITION,
    ),
    archiving="キャリア管理画面への入力用の一覧に表示されなくなります。入力済みの値は残り、あとで元に戻せます。",
    restoring="キャリア管理画面への入力用の一覧に、もう一度表示されます。",
    further=("title",),
    archive_verb=DEACTIVATE,
)


def new_agency() -> None:
    AGENCY.new(
        "代理店を登録する",
        lambda agency: f"代理店「{agency['name']}」を登録しました。営業担当者は「ユーザー管理」で登録してください。",
        icon="add_business",
    )


def new_choice(name: str) -> None:
    title = CHOICE_LIST[name]
    CHOICE.new(
        f"{title}に選択肢を追加する",
        lambda choice: f"{title}に「{choice['name']}」を追加しました。",
        submit="追加する",
        preset=lambda: {"list": name},
    )


def new_option() -> None:
    OPTION.new(
        "オプションを追加する",
        lambda option: f"オプション「{option['name']}」を追加しました。",
        submit="追加する",
    )


def new_carrier_field() -> None:
    CARRIER_FIELD.new(
        "元フィールドを追加する",
        lambda field: f"元フィールド「{field['carrier_field']}」を追加しました。",
        submit="追加する",
        preset=_with_columns,
        body=lambda field: {**field, "record": field["field"][0], "field": field["field"][1]},
    )


def _with_columns() -> Values | None:
    """Above the form: the problem, when the columns cannot be read."""
    try:
        _columns()
    except ApiProblem as problem:
        feedback.failed(problem, key="agencies.carrier_field.columns")
        return None
    return {}
