"""案件詳細・明細入力: the statements next to the input form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from dashboards import session
from dashboards.agencies import (
    case_images,
    case_talk,
    corporation_form,
    corporation_words,
    site_shown,
    site_work,
    words,
)
from dashboards.client import ApiProblem
from dashboards.contract.agencies import CaseDetail, CommentItem, Masters, SitesImageItem, SitesSiteItem
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, forms, heading, live, recent, times
from dashboards.ui.links import link, requested_id
from dashboards.ui.text import plain, small

CASES = "/api/agencies/cases"
KEY, TITLE = "agencies.case", "案件詳細・明細入力"
Row = Mapping[str, Any]
Parts = tuple[Sequence[SitesSiteItem], Sequence[SitesImageItem], Sequence[CommentItem]]


def masters() -> Masters | None:
    """None when they were never read. While the service is away, what is typed stays on the page."""
    try:
        return corporation_form.masters()
    except ApiProblem:
        return None


def show(case_id: int) -> None:
    path = f"{CASES}/{case_id}"
    reading = live.block(KEY, TITLE, path, headline=True, right=back)
    if reading is None:
        return
    case: CaseDetail = reading.data
    if problem := st.session_state.pop("case.problem", None):
        st.error(problem, icon=":material/error:")
    recent.remember(f"案件 {case_id}（{case['corporation_name']}）", f"/case?id={case_id}")
    parts = load_parts(path)
    if parts is None:
        return
    sites, images, comments = parts
    may_update = has_permission("agencies:case:update")
    st.markdown(sentence(case))
    case_talk.viewers(path, case["version"])
    if case["deficiency"]:
        st.error(f"依頼全体の不備: {plain(case['deficiency'])}", icon=":material/report:")
    chosen = select_site(sites)
    if case["status"] == "entered" and words.unregistered(case):
        st.warning(remaining_sites_text(case), icon=":material/add_location:")
    if may_update:
        actions(case, path, sites)
    left, right = st.columns([6, 7], gap="medium")
    # The form first: the site selected there decides which statement is shown.
    with right:
        site_id = site_box(case, sites, images, chosen, may_update)
    with left:
        side_panel(case, path, sites, images, comments, site_id, may_update)


def load_parts(path: str) -> Parts | None:
    """The sites, images and comments. While the service is away the last ones, so that the form and what is typed in
    it stay on the page; the head shows how old they are. None when there are none: the page shows why."""
    slot = f"case.belongings.{path}"
    last: Parts | None = st.session_state.get(slot)
    try:
        sites, images, comments = (live.fetch(f"{path}/{part}")["items"] for part in ("sites", "images", "comments"))
    except ApiProblem as failure:
        if last is None or not failure.temporary:
            feedback.failed(failure, key=KEY)
            return None
        return last
    st.session_state[slot] = sites, images, comments
    return sites, images, comments


def back() -> None:
    link("一覧に戻る", "/cases")


def sentence(case: CaseDetail) -> str:
    requester = f"{plain(case['agency_name'])}　{plain(case['requested_by_name'])}さん"
    created_at = times.stamp(case["created_at"])
    badge = words.STATUS[case["status"]] if case["is_open"] or case["status"] != "working" else words.NOTHING_REMAINING
    claim_text = f"担当は**{plain(case['claimed_by_name'])}**さんです。" if case["claimed_by_name"] else ""
    if case["is_open"] and not claim_text:
        claim_text = "担当者は未定です。"
    return (
        f"依頼 **{case['id']}**　**{plain(case['corporation_name'])}** {badge.badge()}　"
        f"地点 **{words.entered_ratio(case)}** が投入済です。{claim_text}  \n"
        + small(f"{requester}が{plain(created_at)}に依頼")
    )


def remaining_sites_text(case: CaseDetail) -> str:
    return (
        f"申告は{case['site_count']:,}地点ですが、投入済の地点は{case['entered_sites']:,}地点です。残りの地点は"
        "「＋地点を追加」で続けて入力できます。残りがなければ、「地点数を変更する」で実際の数に直してください。"
    )


def select_site(sites: Sequence[SitesSiteItem]) -> int | None:
    """The selected site, or the first one that still needs work."""
    ids = [site["id"] for site in sites]
    requested = st.session_state.pop("case.go_to", None)
    if requested in ids:
        st.session_state[site_shown.KEY] = requested
    if site_shown.selected_site_id() not in ids:
        open_ids = [site["id"] for site in sites if site["status"] in ("working", "deficient")]
        st.session_state[site_shown.KEY] = next(iter(open_ids or ids), None)
    return site_shown.selected_site_id()


def actions(case: CaseDetail, path: str, sites: Sequence[SitesSiteItem]) -> None:
    with st.container(horizontal=True, key="case.actions"):
        if case["is_open"]:
            case_talk.claim(case, path)
            dialogs.button("不備あり", case_talk.report, case, path, sites, key="case.deficient", icon="report")
        if case["status"] == "deficient":
            dialogs.button(
                "不備を解決済みにする",
                case_talk.resolve_deficiency,
                path,
                case["version"],
                key="case.put_right",
                icon="check",
            )
        if case["is_open"] or (case["status"] == "entered" and words.unregistered(case)):
            dialogs.button("地点数を変更する", count_sites, case, path, key="case.count", type="tertiary", icon="tag")


def count_sites(case: CaseDetail, path: str) -> None:
    @dialogs.dialog("地点数を変更する", width="small", icon=":material/tag:")
    def ask() -> None:
        st.markdown("営業担当者が申告した地点数を、明細画像から判断した数に直します。")
        with forms.form(f"case.count.{case['version']}", submit="保存する") as form:
            count = form.field(
                "site_count", st.number_input, "地点数", min_value=0, max_value=999, step=1, value=case["site_count"]
            )
        if form.submitted:
            form.send(
                lambda _: session.api().patch(path, {"version": case["version"], "site_count": count}),
                success=f"地点数を{count}にしました。",
            )

    ask()


def site_box(
    case: CaseDetail,
    sites: Sequence[SitesSiteItem],
    images: Sequence[SitesImageItem],
    chosen: int | None,
    may_update: bool,
) -> int | None:
    with st.container(horizontal=True, vertical_alignment="center", key="case.sites"):
        if sites:
            names = {site["id"]: tab(site, number) for number, site in enumerate(sites, 1)}
            st.segmented_control(
                "地点", [*names], format_func=names.__getitem__, key=site_shown.KEY, label_visibility="collapsed"
            )
        if may_update and case["cancelled_at"] is None:
            # Without a site, adding one is the primary action.
            kind: Literal["primary", "secondary"] = "secondary" if sites else "primary"
            dialogs.button("＋地点を追加", site_work.add, case, sites, images, key="case.add", type=kind)
    if not sites:
        feedback.empty("地点はまだありません", "明細画像を確認し、「＋地点を追加」から地点ごとに入力を始めてください。")
        return None
    # A click on the selected tab deselects it.
    site_id = site_shown.selected_site_id() or chosen
    number, site_row = next((number, site) for number, site in enumerate(sites, 1) if site["id"] == site_id)
    master_data = masters()
    if master_data is None:
        st.error("選択肢を読み込めません。しばらく待ってから、画面を読み込み直してください。", icon=":material/error:")
        return site_id
    site_work.work(site_work.Site(case, site_row, number, images), master_data, may_update)
    return site_id


def tab(site: SitesSiteItem, number: int) -> str:
    status = words.STATUS[site["status"]]
    name = plain(site["power_branch_name"]) or "店舗名未入力"
    return f":{status.color}[:material/{status.icon}:] {number} {name}"


def side_panel(
    case: CaseDetail,
    path: str,
    sites: Sequence[SitesSiteItem],
    images: Sequence[SitesImageItem],
    comments: Sequence[CommentItem],
    site_id: int | None,
    may_update: bool,
) -> None:
    if case["remarks"]:
        with st.container(border=True, gap="xxsmall", key="case.remarks"):
            st.markdown("**営業担当者の備考**")
            details.free_text(case["remarks"])
    unread = sum(comment["is_unread"] for comment in comments)
    images_tab, corporation_tab, comments_tab = st.tabs(
        [
            f"明細画像（{len(images)}枚）",
            "法人情報",
            f"コメント（{len(comments)}件・未読{unread}件）" if unread else f"コメント（{len(comments)}件）",
        ]
    )
    with images_tab:
        case_images.show(path, case, images, sites, site_id, may_update)
    with corporation_tab:
        corporation(case["corporation"])
    with comments_tab:
        case_talk.comments(path, comments, sites, may_update)


def corporation(data: Row) -> None:
    if (master_data := masters()) is not None:
        _facts(data, master_data)
    link("法人詳細を開く（カード情報の確認・法人情報の編集）", f"/corporation?id={data['id']}")


def _facts(data: Row, master_data: Masters) -> None:
    for title, fields in corporation_words.SECTIONS.items():
        shown = {
            corporation_words.LABELS[name]: corporation_words.fact(name, data[name], master_data)
            for name in fields
            if name in data and (data[name] not in ("", None) or name == "billing_address_same")
        }
        if title == "契約者名":
            shown = {"法人名": data["name"], "カナ": data["kana"], **shown}
        if shown:
            details.section(title, shown)


selected_id = requested_id()
if selected_id is not None:
    show(selected_id)
else:
    heading.page(TITLE)
    feedback.empty("案件が選ばれていません", "投入案件一覧から選んでください。")
    link("投入案件一覧を開く", "/cases")
