"""手引き: how is the work done, and what are customers and shops told? Read in place, or as PDF."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.reservations import guide_text
from dashboards.ui import feedback, heading, live
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/guides", "reservations.guides"
# Who reads them most comes first.
LEADS = {
    "operator": "はじめての方は、運用マニュアルからお読みください。",
    "customer": "公開している手引きです。お問い合わせのときに、そのままご案内できます。",
    "shop": "提携店を登録すると、自動でメールします。公開ページでも読めます。",
}


def listing() -> None:
    reading = live.block(f"{KEY}.list", "手引き", PATH, headline=True)
    if reading is None:
        return
    items = reading.data["items"]
    st.markdown(
        f"手引きは{len(items):,}冊です。書かれている時間・文面・料金は、今の設定から作られるため、いつも最新です。"
    )
    for audience, lead in LEADS.items():
        mine = [one for one in items if one["audience"] == audience]
        if mine:
            st.subheader(mine[0]["audience_title"], anchor=False)
            st.markdown(small(lead))
            with st.container(border=True, gap="small", key=f"{KEY}.{audience}"):
                for one in mine:
                    _entry(one)


def _entry(one: Row) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.markdown(f"**{plain(one['title'])}**　{small(plain(one['reading']))}  \n{plain(one['summary'])}")
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        st.button("読む", key=f"{KEY}.read.{one['name']}", icon=":material/menu_book:", on_click=_open, args=(one,))
        link("PDF", f"{DOWNLOAD}{PATH}/{one['name']}.pdf", download=True)


def _open(one: Row) -> None:
    st.query_params["name"] = one["name"]


def _back() -> None:
    st.query_params.clear()


def reading(name: str) -> None:
    try:
        found = session.api().get(f"{PATH}/{name}")
    except ApiProblem as problem:
        heading.page("手引き")
        feedback.failed(problem, key=f"{KEY}.guide")
        st.button("一覧に戻る", key=f"{KEY}.back", on_click=_back)
        return
    heading.row(found["title"], of_page=True, right=lambda: _around(found))
    st.markdown(small(plain(f"{found['audience_title']}　{found['reading']}")))
    if found["url"]:
        st.markdown(small("公開ページ（お客様や提携店にご案内できます）"))
        st.code(found["url"], language=None)
    guide_text.show(found["sections"])


def _around(found: Row) -> None:
    st.button("一覧に戻る", key=f"{KEY}.back", icon=":material/arrow_back:", on_click=_back)
    link("PDFで保存", f"{DOWNLOAD}{PATH}/{found['name']}.pdf", primary=True, download=True)


asked = st.query_params.get("name", "")
if asked:
    reading(asked)
else:
    listing()
