"""The statements of a case next to the form, and the site that each of them belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.agencies import case_words, readings
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CaseDetail, SitesImageItem, SitesSiteItem
from dashboards.ui import feedback, files, flash
from dashboards.ui.files import File
from dashboards.ui.text import small

FROM_REMARKS = "営業担当者の備考を見て入力してください。足りないときは「不備あり」で差し戻します。"
NO_IMAGES = "画像のない依頼です。明細の内容は、営業担当者の備考に書かれています。"


def show(
    path: str,
    case: CaseDetail,
    images: Sequence[SitesImageItem],
    sites: Sequence[SitesSiteItem],
    site_id: int | None,
    may_update: bool,
) -> None:
    """`path` is the case's, `site_id` the site in the form: its first image is shown when another site is selected."""
    if not images:
        feedback.empty("明細画像はありません", FROM_REMARKS if case["is_open"] else NO_IMAGES)
        return
    names = {site["id"]: case_words.name(site, number) for number, site in enumerate(sites, 1)}
    image_files = [
        File(image["file_id"], image["file_name"], image["size"], image["content_type"], f"{FILES}/{image['file_id']}")
        for image in images
    ]
    labels = {image["file_id"]: names.get(image["site_id"] or 0, "未紐づけ") for image in images}
    first_file_id = next(
        (image["file_id"] for image in images if site_id is not None and image["site_id"] == site_id), None
    )
    files.previews(
        "case.images",
        image_files,
        stage=True,
        labels=labels,
        shown=(first_file_id, str(site_id)) if first_file_id else None,
    )
    if may_update and sites:
        _links(path, images, names)
    if may_update:
        readings.show(path, images)


def _links(path: str, images: Sequence[SitesImageItem], names: Mapping[int, str]) -> None:
    unlinked = sum(image["site_id"] is None for image in images)
    title = f"画像と地点の紐づけ（未紐づけ {unlinked}枚）" if unlinked else "画像と地点の紐づけ"
    with st.expander(title, icon=":material/link:", expanded=bool(unlinked), key="case.links"):
        st.markdown(small("選ぶと、すぐに保存されます。"))
        for number, image in enumerate(images, 1):
            # The key changes with the link and the names: the widget shows what is stored.
            key = f"case.link.{image['id']}.{image['site_id']}.{'/'.join(names.values())}"
            st.selectbox(
                f"{number}枚目 {image['file_name']}",
                [None, *names],
                index=[None, *names].index(image["site_id"]),
                format_func=lambda site_id: names[site_id] if site_id else "未紐づけ",
                key=key,
                on_change=_link,
                args=(path, image, key, names),
            )


def _link(path: str, image: SitesImageItem, key: str, names: Mapping[int, str]) -> None:
    site_id = st.session_state[key]
    try:
        session.api().patch(f"{path}/images/{image['id']}", {"site_id": site_id, "before": image["site_id"]})
    except ApiProblem as problem:
        st.session_state["case.problem"] = feedback.problem_text(problem)
        return
    target = f"「{names[site_id]}」に紐づけました。" if site_id else "未紐づけに戻しました。"
    flash.add(f"{image['file_name']}を{target}")
