"""明細の読み取り: the values read from a statement, each next to its part of the image, to be accepted one by one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.agencies import case_words, site_shown
from dashboards.client import ApiProblem
from dashboards.contract.agencies import ReadField, ReadingItem, Readings, SitesImageItem, SitesSiteItem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

TITLE = "明細の読み取り"
STATES = {
    "none": Status("未読み取り", "gray", "image"),
    "waiting": Status("順番待ち", "blue", "hourglass_empty"),
    "reading": Status("読み取り中", "blue", "document_scanner"),
    "done": Status("読み取り済み", "green", "check_circle"),
    "failed": Status("読み取り不可", "red", "error"),
}
DECISIONS = {"accepted": "使用しました", "corrected": "訂正して使用しました"}
PENDING_STATES = ("waiting", "reading")
POLL_INTERVAL = "3s"
# Size of the shown part of the image in pixels, and how much of its surroundings is shown too.
CROP_WIDTH, CROP_HEIGHT, CROP_MARGIN = 440, 48, 0.35


def show(path: str, images: Sequence[SitesImageItem]) -> None:
    """`path` is the case's. Draws nothing where statements are not read."""
    try:
        answer: Readings = session.api().get(f"{path}/readings")
    except ApiProblem as problem:
        feedback.failed(problem, key="case.readings")
        return
    if not answer["is_on"] or not images:
        return
    with st.expander(TITLE, icon=":material/document_scanner:", key="case.readings"):
        is_pending = any(item["state"] in PENDING_STATES for item in answer["items"])
        st.fragment(run_every=POLL_INTERVAL if is_pending else None)(_images)(path, images, is_pending)


def _images(path: str, images: Sequence[SitesImageItem], was_pending: bool) -> None:
    dialogs.rerun_if_changed()
    try:
        answer: Readings = session.api().get(f"{path}/readings")
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return
    if was_pending and not any(item["state"] in PENDING_STATES for item in answer["items"]):
        # Nothing is pending any more: the next run stops polling.
        st.rerun()
    if answer["problem"]:
        st.info(answer["problem"], icon=":material/info:")
    else:
        st.markdown(small("読み取った値は、画像と見比べて1項目ずつ使います。自動では保存されません。"))
    by_image = {item["image_id"]: item for item in answer["items"]}
    for number, image in enumerate(images, 1):
        _image(path, number, image, by_image.get(image["id"]), bool(answer["problem"]))


def _image(
    path: str,
    number: int,
    image: SitesImageItem,
    reading: ReadingItem | None,
    is_off: bool,
) -> None:
    state = reading["state"] if reading else "none"
    key = f"case.reading.{image['id']}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{number}枚目 {plain(image['file_name'])} {STATES[state].badge()}", width="stretch")
        if reading and state == "done":
            count = len(reading["fields"])
            dialogs.button(f"結果を見る（{count}項目）", _compare, path, number, image, reading["id"], key=f"{key}.see")
        if state not in PENDING_STATES:
            label = "もう一度読み取る" if reading else "明細を読み取る"
            if st.button(label, key=f"{key}.ask", icon=":material/document_scanner:", disabled=is_off):
                _request_reading(path, image)
    if reading and reading["error"]:
        st.markdown(small(plain(reading["error"])))


def _request_reading(path: str, image: SitesImageItem) -> None:
    endpoint = f"{path}/images/{image['id']}/reading"
    try:
        with button_idempotency_key(endpoint) as idempotency_key:
            session.api().post(endpoint, idempotency_key=idempotency_key)
    except ApiProblem as problem:
        feedback.action_failed(problem)
        return
    st.rerun()


def _compare(path: str, number: int, image: SitesImageItem, reading_id: int) -> None:
    chosen = site_shown.selected_site_id()

    @dialogs.dialog(f"読み取り結果: {number}枚目", width="large", icon=":material/document_scanner:")
    def ask() -> None:
        # Loaded again each time: accepting a value changes both.
        try:
            items: list[ReadingItem] = session.api().get(f"{path}/readings")["items"]
            sites: list[SitesSiteItem] = session.api().get(f"{path}/sites")["items"]
        except ApiProblem as problem:
            feedback.action_failed(problem)
            return
        reading = next((item for item in items if item["id"] == reading_id), None)
        if reading is None or reading["state"] != "done":
            feedback.empty("読み取り結果はありません", "もう一度読み取ってください。")
            return
        site = _site(sites, reading_id, reading["site_id"] or chosen)
        if site is None:
            st.info("値を使うには、先に「＋地点を追加」から地点を追加してください。", icon=":material/info:")
        for proposal in reading["fields"]:
            _proposal(path, image, reading, proposal, site)
        if reading["missing"]:
            named = "、".join(case_words.LABELS[name] for name in reading["missing"])
            st.markdown(f"読み取れなかった項目: {named}  \n" + small("画像を見て、地点の入力欄に入力してください。"))
        st.markdown(small(f"{plain(reading['engine'])} による読み取り"))

    ask()


def _site(sites: Sequence[SitesSiteItem], reading_id: int, preselected: int | None) -> SitesSiteItem | None:
    """Select box for the site that gets the values."""
    names = {site["id"]: case_words.name(site, number) for number, site in enumerate(sites, 1)}
    if not names:
        return None
    chosen = st.selectbox(
        "値を入れる地点",
        [*names],
        index=[*names].index(preselected) if preselected in names else 0,
        format_func=names.__getitem__,
        key=f"case.reading.{reading_id}.site",
    )
    return next(site for site in sites if site["id"] == chosen)


def _proposal(
    path: str, image: SitesImageItem, reading: ReadingItem, proposal: ReadField, site: SitesSiteItem | None
) -> None:
    name = proposal["field"]
    key = f"case.proposal.{reading['id']}.{name}"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{case_words.LABELS[name]}**", width="content")
            score = f"確度 {proposal['score']:.0%}"
            if proposal["is_sure"]:
                st.markdown(f":gray-badge[{score}]", width="content")
            else:
                st.markdown(f":orange-badge[:material/visibility: 要確認・{score}]", width="content")
            if proposal["decision"]:
                st.markdown(f":green-badge[:material/check: {DECISIONS[proposal['decision']]}]", width="content")
        st.html(crop(image, proposal["box"], reading["turn"]))
        for note in proposal["notes"]:
            st.markdown(f":orange[:material/warning:] {plain(note)}")
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        value = left.text_input("読み取った値", proposal["value"], max_chars=40, key=f"{key}.value")
        stored = "" if site is None or site[name] is None else str(site[name])
        if stored:
            st.markdown(small(f"地点の現在の値: {plain(stored)}"))
        if right.button("この値を使う", key=f"{key}.use", disabled=site is None or not value.strip()) and site:
            body = {"field": name, "value": value, "site_id": site["id"], "version": site["version"]}
            endpoint = f"{path}/readings/{reading['id']}/accept"
            try:
                with button_idempotency_key(endpoint) as idempotency_key:
                    session.api().post(endpoint, body, idempotency_key=idempotency_key)
                    flash.add(f"{case_words.LABELS[name]}に「{value}」を保存しました。")
            except ApiProblem as problem:
                details = "".join(f"  \n{plain(error['message'])}" for error in problem.errors)
                st.error(feedback.problem_text(problem) + details, icon=":material/error:")
                return
            st.rerun()


def crop(image: SitesImageItem, box: Sequence[float], turn: int) -> str:
    """The part of the image from which a value was read, with a margin, upright. The browser cuts it from the
    picture that it shows anyway."""
    size = float(image["width"] or 1), float(image["height"] or 1)
    left, top, right, bottom = (share * size[index % 2] for index, share in enumerate(box))
    margin = CROP_MARGIN * min(right - left, bottom - top) + 1
    left, top = max(0.0, left - margin), max(0.0, top - margin)
    width, height = min(size[0], right + margin) - left, min(size[1], bottom + margin) - top
    upright = (width, height) if turn % 180 == 0 else (height, width)
    scale = min(CROP_WIDTH / upright[0], CROP_HEIGHT / upright[1])
    lengths = [f"{length * scale:.1f}px" for length in (*upright, width, height, size[0], -left, -top)]
    return (
        f'<div style="position:relative;overflow:hidden;width:{lengths[0]};height:{lengths[1]}">'
        f'<div style="position:absolute;overflow:hidden;left:50%;top:50%;width:{lengths[2]};height:{lengths[3]};'
        f'transform:translate(-50%,-50%) rotate({int(turn)}deg)">'
        f'<img src="{FILES}/{image["file_id"]}" alt="読み取った箇所" style="position:absolute;max-width:none;'
        f'width:{lengths[4]};left:{lengths[5]};top:{lengths[6]}"></div></div>'
    )
