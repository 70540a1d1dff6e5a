"""The records of 入退管理 that users edit, with their fields: nurseries, parents and children."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboards.contract.entries import FIELDS
from dashboards.entries import choices
from dashboards.ui import forms
from dashboards.ui.fields import Custom, Number, Text, Time
from dashboards.ui.records import Record
from dashboards.ui.text import small

Values = Mapping[str, Any]


def _children_fields(form: forms.Form, parent: Values) -> list[dict[str, Any]]:
    options = choices.children(parent["nursery_id"])
    relations = {child["id"]: child["relation"] for child in parent.get("children", [])}
    chosen = form.field(
        "children",
        st.multiselect,
        FIELDS["children"],
        options=[*options, *(child for child in relations if child not in options)],
        default=[*relations],
        format_func=lambda child: options.get(child, f"園児 {child}"),
        placeholder="園児を選んでください",
        max_selections=20,
    )
    first = next(iter(relations.values()), "")
    relation = form.field(
        "relation",
        st.text_input,
        FIELDS["relation"],
        value=first,
        max_chars=20,
        placeholder="母",
        help="選んだ園児から見た続柄です。園児によって違う場合は、変えなければそのまま残ります。",
    ).strip()
    return [
        {"id": child, "relation": relations[child] if child in relations and relation == first else relation}
        for child in chosen
    ]


def _children_in_words(parent: Values) -> str:
    """山田太郎（きりん組）・母、…"""
    names = choices.children(parent["nursery_id"])
    pairs = ((names.get(child["id"], f"園児 {child['id']}"), child["relation"]) for child in parent["children"])
    return "、".join(f"{name}・{relation}" if relation else name for name, relation in pairs)


def _target_nursery(note: str = "") -> Values | None:
    """Above the form of a new parent or child: the nursery."""
    nursery_id = choices.select_target_nursery()
    if nursery_id is None:
        st.info("先に保育園を登録してください。", icon=":material/info:")
        return None
    if note:
        st.markdown(small(note))
    return {"nursery_id": nursery_id}


NURSERY = Record(
    key="nursery",
    path="/api/entries/nurseries",
    name=lambda nursery: f"保育園「{nursery['name']}」",
    fields=(
        Text("name", "保育園名", 100, required=True, placeholder="さくら保育園"),
        Text(
            "code",
            FIELDS["code"],
            50,
            required=True,
            placeholder="ABC123",
            help="入退登録画面のログインに使います。半角の英数字・ハイフン・下線で、4文字以上。",
        ),
        Time("opens_at", FIELDS["opens_at"], default="07:00:00"),
        Time("closes_at", FIELDS["closes_at"], default="18:00:00"),
        Number(
            "offline_cap",
            FIELDS["offline_cap"],
            1,
            5000,
            step=10,
            default=100,
            help="通信できないあいだに、端末1台が保存しておける入退の記録の数です。超えるときは、紙の入退台帳に記入します。",
        ),
    ),
    archiving=lambda nursery: (
        f"入退登録端末{nursery['stations']:,}台がログアウトされ、新しい記録ができなくなります。"
        "この園だけを担当する園管理者と園職員は、すぐにログアウトされ、ログインできなくなります。"
        "保護者・園児・入退ログは残り、あとで元に戻せます。"
    ),
    restoring="入退登録をもう一度利用できるようになります。端末はログインし直してください。"
    "園管理者と園職員も、これまでのパスワードでまたログインできるようになります。",
)
PARENT = Record(
    key="parent",
    path="/api/entries/parents",
    name=lambda parent: f"保護者「{parent['name']}」",
    fields=(
        Text("name", "氏名", 100, required=True, placeholder="山田花子"),
        Text("kana", FIELDS["kana"], 100, placeholder="やまだはなこ"),
        Text("phone_number", FIELDS["phone_number"], 20, placeholder="090-1234-5678"),
        Text("mail", FIELDS["mail"], 254, placeholder="hanako@example.com"),
        Custom("children", FIELDS["children"], _children_fields, _children_in_words),
    ),
    archiving="一覧から外れ、カードのリンクは使えなくなり、スキャンしても「保護者が見つかりません」と表示されます。"
    "入退ログは残り、あとで元に戻せます。",
    restoring="一覧に戻り、もう一度スキャンできるようになります。カードのリンクは発行し直してください。",
    further=("nursery_id",),
)
CHILD = Record(
    key="child",
    path="/api/entries/children",
    name=lambda child: f"園児「{child['name']}」",
    fields=(
        Text("name", "園児名", 100, required=True, placeholder="山田太郎"),
        Text("kana", FIELDS["kana"], 100, placeholder="やまだたろう"),
        Text("class_name", FIELDS["class_name"], 50, placeholder="きりん組"),
    ),
    archiving="一覧と出欠表から外れます。入退ログと出欠の記録は残り、あとで元に戻せます。",
    restoring="一覧と出欠表に戻ります。",
)


def new_nursery() -> None:
    NURSERY.new(
        "保育園を登録する",
        lambda nursery: f"{nursery['name']}を登録しました。「園情報」で入退登録のパスワードを設定してください。",
        icon="add_home",
    )


def new_parent() -> None:
    note = "保護者IDは自動で割り当てられます。番号を指定するときは、ファイルで取り込んでください。"
    PARENT.new("保護者を登録する", _registered, icon="person_add", preset=partial(_target_nursery, note))


def new_child() -> None:
    CHILD.new("園児を登録する", _registered, icon="child_care", preset=_target_nursery)


def _registered(person: Values) -> str:
    return f"{person['name']}さんを登録しました。"
