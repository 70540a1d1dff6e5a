"""手引き: the guides for operators, customers and shops, to read on the page or as PDF."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.contract.reservations import GuideInFull, GuideItem, Guides
from dashboards.reservations import guide_text
from dashboards.ui import feedback, heading, live
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/guides", "reservations.guides"
# The most frequent readers come first.
AUDIENCE_NOTES = {
    "operator": "はじめての方は、運用マニュアルからお読みください。",
    "customer": "公開している手引きです。お問い合わせのときに、そのままご案内できます。",
    "shop": "提携店を登録すると、自動でメールします。公開ページでも読めます。",
}


def listing() -> None:
    reading = live.block(f"{KEY}.list", "手引き", PATH, headline=True)
    if reading is None:
        return
    listed: Guides = reading.data
    items = listed["items"]
    st.markdown(
        f"手引きは{len(items):,}冊です。書かれている時間・文面・料金は、今の設定から作られるため、いつも最新です。"
    )
    for audience, note in AUDIENCE_NOTES.items():
        guides = [guide for guide in items if guide["audience"] == audience]
        if guides:
            st.subheader(guides[0]["audience_title"], anchor=False)
            st.markdown(small(note))
            with st.container(border=True, gap="small", key=f"{KEY}.{audience}"):
                for guide in guides:
                    _entry(guide)


def _entry(guide: GuideItem) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.markdown(f"**{plain(guide['title'])}**　{small(plain(guide['reading']))}  \n{plain(guide['summary'])}")
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        st.button("読む", key=f"{KEY}.read.{guide['name']}", icon=":material/menu_book:", on_click=_open, args=(guide,))
        link("PDF", f"{DOWNLOAD}{PATH}/{guide['name']}.pdf", download=True)


def _open(guide: GuideItem) -> None:
    st.query_params["name"] = guide["name"]


def _back() -> None:
    st.query_params.clear()


def reading(name: str) -> None:
    try:
        guide: GuideInFull = session.api().get(f"{PATH}/{name}")
    except ApiProblem as problem:
        heading.page("手引き")
        feedback.failed(problem, key=f"{KEY}.guide")
        st.button("一覧に戻る", key=f"{KEY}.back", on_click=_back)
        return
    heading.row(guide["title"], of_page=True, right=lambda: _head_links(guide))
    st.markdown(small(plain(f"{guide['audience_title']}　{guide['reading']}")))
    if guide["url"]:
        st.markdown(small("公開ページ（お客様や提携店にご案内できます）"))
        st.code(guide["url"], language=None)
    guide_text.show(guide["sections"])


def _head_links(guide: GuideItem) -> None:
    st.button("一覧に戻る", key=f"{KEY}.back", icon=":material/arrow_back:", on_click=_back)
    link("PDFで保存", f"{DOWNLOAD}{PATH}/{guide['name']}.pdf", primary=True, download=True)


guide_name = st.query_params.get("name", "")
if guide_name:
    reading(guide_name)
else:
    listing()
