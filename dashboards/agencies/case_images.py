"""The statements of a case, beside the form, and which site each of them is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.agencies import case_words, readings
from dashboards.client import ApiProblem
from dashboards.ui import feedback, files, flash
from dashboards.ui.files import File
from dashboards.ui.text import small

Row = Mapping[str, Any]
FROM_REMARKS = "営業担当者の備考を見て入力してください。足りないときは「不備あり」で差し戻します。"
WITHOUT = "画像のない依頼です。明細の内容は、営業担当者の備考に書かれています。"


def show(
    path: str, case: Row, images: Sequence[Row], sites: Sequence[Row], chosen: int | None, may_update: bool
) -> None:
    """`path` is the case's, `chosen` the site that is typed: its first image is shown when another one is chosen."""
    if not images:
        feedback.empty("明細画像はありません", FROM_REMARKS if case["is_open"] else WITHOUT)
        return
    names = {one["id"]: case_words.name(one, place) for place, one in enumerate(sites, 1)}
    listed = [
        File(one["file_id"], one["file_name"], one["size"], one["content_type"], f"{FILES}/{one['file_id']}")
        for one in images
    ]
    labels = {one["file_id"]: names.get(one["site_id"], "未紐づけ") for one in images}
    first = next((one["file_id"] for one in images if chosen is not None and one["site_id"] == chosen), None)
    files.previews("case.images", listed, stage=True, labels=labels, asked=(first, str(chosen)) if first else None)
    if may_update and sites:
        _links(path, images, names)
    if may_update:
        readings.show(path, images)


def _links(path: str, images: Sequence[Row], names: Mapping[int, str]) -> None:
    free = sum(one["site_id"] is None for one in images)
    title = f"画像と地点の紐づけ（未紐づけ {free}枚）" if free else "画像と地点の紐づけ"
    with st.expander(title, icon=":material/link:", expanded=bool(free), key="case.links"):
        st.markdown(small("選ぶと、すぐに保存されます。"))
        for place, one in enumerate(images, 1):
            # Another widget once the link or a name is another one: what it shows is what is stored.
            key = f"case.link.{one['id']}.{one['site_id']}.{'/'.join(names.values())}"
            st.selectbox(
                f"{place}枚目 {one['file_name']}",
                [None, *names],
                index=[None, *names].index(one["site_id"]),
                format_func=lambda site_id: names[site_id] if site_id else "未紐づけ",
                key=key,
                on_change=_link,
                args=(path, one, key, names),
            )


def _link(path: str, image: Row, key: str, names: Mapping[int, str]) -> None:
    site_id = st.session_state[key]
    try:
        session.api().patch(f"{path}/images/{image['id']}", {"site_id": site_id, "before": image["site_id"]})
    except ApiProblem as problem:
        st.session_state["case.problem"] = feedback.in_words(problem)
        return
    where = f"「{names[site_id]}」に紐づけました。" if site_id else "未紐づけに戻しました。"
    flash.say(f"{image['file_name']}を{where}")
