"""明細の読み取り: what the machine saw on a statement, beside the piece of the image, to be taken over one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.addresses import FILES
from dashboards.agencies import case_words, site_shown
from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, flash
from dashboards.ui.once import pressed
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

Row = Mapping[str, Any]
TITLE = "明細の読み取り"
STATES = {
    "none": Status("未読み取り", "gray", "image"),
    "waiting": Status("順番待ち", "blue", "hourglass_empty"),
    "reading": Status("読み取り中", "blue", "document_scanner"),
    "done": Status("読み取り済み", "green", "check_circle"),
    "failed": Status("読み取り不可", "red", "error"),
}
DECISIONS = {"accepted": "使用しました", "corrected": "訂正して使用しました"}
UNDER_WAY = ("waiting", "reading")
LOOK_EVERY = "3s"
# Of a piece of the image as it is shown, in pixels; and how much of what is around it is shown too.
CROP_WIDTH, CROP_HEIGHT, AROUND = 440, 48, 0.35


def show(path: str, images: Sequence[Row]) -> None:
    """`path` is the case's. Nothing at all where statements are not read."""
    try:
        found = session.api().get(f"{path}/readings")
    except ApiProblem as problem:
        feedback.failed(problem, key="case.readings")
        return
    if not found["is_on"] or not images:
        return
    with st.expander(TITLE, icon=":material/document_scanner:", key="case.readings"):
        is_under_way = any(one["state"] in UNDER_WAY for one in found["items"])
        st.fragment(run_every=LOOK_EVERY if is_under_way else None)(_images)(path, images, is_under_way)


def _images(path: str, images: Sequence[Row], was_under_way: bool) -> None:
    dialogs.leave()
    try:
        found = session.api().get(f"{path}/readings")
    except ApiProblem as problem:
        feedback.not_done(problem)
        return
    if was_under_way and not any(one["state"] in UNDER_WAY for one in found["items"]):
        # Nothing more to wait for: drawn anew, it no longer looks every few seconds.
        st.rerun()
    if found["problem"]:
        st.info(found["problem"], icon=":material/info:")
    else:
        st.markdown(small("読み取った値は、画像と見比べて1項目ずつ使います。自動では保存されません。"))
    of_image = {one["image_id"]: one for one in found["items"]}
    for place, image in enumerate(images, 1):
        _image(path, place, image, of_image.get(image["id"]), bool(found["problem"]))


def _image(
    path: str,
    place: int,
    image: Row,
    reading: Row | None,
    is_off: bool,
) -> None:
    state = reading["state"] if reading else "none"
    key = f"case.reading.{image['id']}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{place}枚目 {plain(image['file_name'])} {STATES[state].badge()}", width="stretch")
        if reading and state == "done":
            count = len(reading["fields"])
            dialogs.button(f"結果を見る（{count}項目）", _compare, path, place, image, reading["id"], key=f"{key}.see")
        if state not in UNDER_WAY:
            again = "もう一度読み取る" if reading else "明細を読み取る"
            if st.button(again, key=f"{key}.ask", icon=":material/document_scanner:", disabled=is_off):
                _ask(path, image)
    if reading and reading["error"]:
        st.markdown(small(plain(reading["error"])))


def _ask(path: str, image: Row) -> None:
    asked = f"{path}/images/{image['id']}/reading"
    try:
        with pressed(asked) as once:
            session.api().post(asked, once=once)
    except ApiProblem as problem:
        feedback.not_done(problem)
        return
    st.rerun()


def _compare(path: str, place: int, image: Row, reading_id: int) -> None:
    chosen = site_shown.now()

    @dialogs.dialog(f"読み取り結果: {place}枚目", width="large", icon=":material/document_scanner:")
    def ask() -> None:
        # Asked for anew each time: what was taken over has changed both.
        try:
            items = session.api().get(f"{path}/readings")["items"]
            sites = session.api().get(f"{path}/sites")["items"]
        except ApiProblem as problem:
            feedback.not_done(problem)
            return
        reading = next((one for one in items if one["id"] == reading_id), None)
        if reading is None or reading["state"] != "done":
            feedback.empty("読み取り結果はありません", "もう一度読み取ってください。")
            return
        site = _site(sites, reading_id, reading["site_id"] or chosen)
        if site is None:
            st.info("値を使うには、先に「＋地点を追加」から地点を追加してください。", icon=":material/info:")
        for one in reading["fields"]:
            _proposal(path, image, reading, one, site)
        if reading["missing"]:
            named = "、".join(case_words.LABELS[name] for name in reading["missing"])
            st.markdown(f"読み取れなかった項目: {named}  \n" + small("画像を見て、地点の入力欄に入力してください。"))
        st.markdown(small(f"{plain(reading['engine'])} による読み取り"))

    ask()


def _site(sites: Sequence[Row], reading_id: int, first: int | None) -> Row | None:
    """Into which the values go."""
    places = {one["id"]: case_words.name(one, place) for place, one in enumerate(sites, 1)}
    if not places:
        return None
    chosen = st.selectbox(
        "値を入れる地点",
        [*places],
        index=[*places].index(first) if first in places else 0,
        format_func=places.__getitem__,
        key=f"case.reading.{reading_id}.site",
    )
    return next(one for one in sites if one["id"] == chosen)


def _proposal(path: str, image: Row, reading: Row, one: Row, site: Row | None) -> None:
    name = one["field"]
    key = f"case.proposal.{reading['id']}.{name}"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{case_words.LABELS[name]}**", width="content")
            score = f"確度 {one['score']:.0%}"
            if one["is_sure"]:
                st.markdown(f":gray-badge[{score}]", width="content")
            else:
                st.markdown(f":orange-badge[:material/visibility: 要確認・{score}]", width="content")
            if one["decision"]:
                st.markdown(f":green-badge[:material/check: {DECISIONS[one['decision']]}]", width="content")
        st.html(crop(image, one["box"], reading["turn"]))
        for note in one["notes"]:
            st.markdown(f":orange[:material/warning:] {plain(note)}")
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        value = left.text_input("読み取った値", one["value"], max_chars=40, key=f"{key}.value")
        stored = "" if site is None or site[name] is None else str(site[name])
        if stored:
            st.markdown(small(f"地点の現在の値: {plain(stored)}"))
        if right.button("この値を使う", key=f"{key}.use", disabled=site is None or not value.strip()) and site:
            body = {"field": name, "value": value, "site_id": site["id"], "version": site["version"]}
            accepted = f"{path}/readings/{reading['id']}/accept"
            try:
                with pressed(accepted) as once:
                    session.api().post(accepted, body, once=once)
                    flash.say(f"{case_words.LABELS[name]}に「{plain(value)}」を保存しました。")
            except ApiProblem as problem:
                said = "".join(f"  \n{plain(error['message'])}" for error in problem.errors)
                st.error(feedback.in_words(problem) + said, icon=":material/error:")
                return
            st.rerun()


def crop(image: Row, box: Sequence[float], turn: int) -> str:
    """The piece of the image from which a value was read, and a little around it, upright. The browser cuts it out of
    the picture that it shows anyway."""
    whole = float(image["width"] or 1), float(image["height"] or 1)
    left, top, right, bottom = (at * whole[place % 2] for place, at in enumerate(box))
    around = AROUND * min(right - left, bottom - top) + 1
    left, top = max(0.0, left - around), max(0.0, top - around)
    width, height = min(whole[0], right + around) - left, min(whole[1], bottom + around) - top
    upright = (width, height) if turn % 180 == 0 else (height, width)
    scale = min(CROP_WIDTH / upright[0], CROP_HEIGHT / upright[1])
    shown = [f"{length * scale:.1f}px" for length in (*upright, width, height, whole[0], -left, -top)]
    return (
        f'<div style="position:relative;overflow:hidden;width:{shown[0]};height:{shown[1]}">'
        f'<div style="position:absolute;overflow:hidden;left:50%;top:50%;width:{shown[2]};height:{shown[3]};'
        f'transform:translate(-50%,-50%) rotate({int(turn)}deg)">'
        f'<img src="{FILES}/{image["file_id"]}" alt="読み取った箇所" style="position:absolute;max-width:none;'
        f'width:{shown[4]};left:{shown[5]};top:{shown[6]}"></div></div>'
    )
