"""満足度調査: prepare and send a survey, and see its answers."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards import session
from dashboards.contract.reservations import FIELDS, STARS, Recipients, SurveyDetail, SurveyItem, SurveysOverview
from dashboards.reservations.actions import Target, ask
from dashboards.session import has_permission
from dashboards.ui import charts, columns, dialogs, figures, filters, live, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.fields import Choice
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small

PATH, KEY = "/api/reservations/surveys", "reservations.surveys"
STATUS = {
    "preparing": Status("準備中", "orange", "edit_note"),
    "open": Status("実施中", "blue", "how_to_vote"),
    "closed": Status("終了", "gray", "task_alt"),
}
_WEEK = timedelta(days=7)


def mean(survey: SurveyItem) -> str:
    return "–" if survey["mean"] is None else f"{survey['mean']:.2f}"


def answer_rate(survey: SurveyItem) -> str:
    """23人（回答率 46%）"""
    if not survey["invited"]:
        return "–"
    return f"{survey['answered']:,}人（回答率 {survey['answered'] / survey['invited']:.0%}）"


def _period(survey: SurveyItem) -> str:
    sent_at, ends_at = survey["sent_at"], survey["closed_at"] or survey["closes_at"]
    if not sent_at or not ends_at:
        return "未送信"
    first, last = times.parse(sent_at), times.parse(ends_at)
    return f"{first.month}/{first.day}〜{last.month}/{last.day}"


COLUMNS = (
    columns.text("対象の四半期", "title", width=150),
    columns.badge("状況", "status", STATUS, width=96),
    columns.text("実施期間", _period, width=130),
    columns.number("送信先（人）", "invited", width=96),
    columns.text("回答", answer_rate, width=160),
    columns.text("満足度（平均）", mean, width=110, alignment="right"),
)
ANSWERS = (
    columns.text(
        "評価", lambda row: f"{'★' * row['stars']}{'☆' * (5 - row['stars'])} {STARS[row['stars']]}", width=220
    ),
    columns.text("コメント", "comment", width=480),
    columns.text("対象の四半期", "title", width=132),
    columns.ago("回答", "answered_at", sort="answered_at"),
)
SORTS = {"-answered_at": "新しい順", "stars": "評価が低い順", "-stars": "評価が高い順"}


def section() -> None:
    _overview()
    _show_list()
    _answers()


@refreshing
def _overview() -> None:
    reading = live.block(f"{KEY}.overview", "満足度調査", f"{PATH}/overview", right=_prepare_button)
    if reading is None:
        return
    overview: SurveysOverview = reading.data
    _sentence(overview)
    survey = overview["open"] or overview["last"]
    if survey is None:
        return
    goal = overview["goal"]
    figures.row(
        [
            Figure("対象", survey["title"], STATUS[survey["status"]].label),
            Figure("満足度（5段階の平均）", mean(survey), f"目標 {goal:.1f}以上"),
            Figure("回答", f"{survey['answered']:,}人", f"送信先 {survey['invited']:,}人"),
            Figure(
                "回答率",
                f"{survey['answered'] / survey['invited']:.0%}" if survey["invited"] else "–",
                f"再送 {survey['reminded']:,}人"
                if survey["reminded_at"]
                else "4日後に、未回答の方へ一度だけ再送します",
            ),
        ],
        faded=reading.problem is not None,
    )
    if survey["answered"]:
        satisfied_share = sum(survey["distribution"][3:]) / survey["answered"]
        charts.bar(
            f"{survey['title']}は、{satisfied_share:.0%}の方が4点以上（満足）と回答",
            [f"{stars}点" for stars in range(1, 6)],
            {"回答": survey["distribution"]},
            unit="人",
            key=f"{KEY}.distribution",
        )


def _sentence(overview: SurveysOverview) -> None:
    if survey := overview["open"]:
        closes_at = times.stamp(survey["closes_at"])
        st.info(
            f"{survey['title']}の調査を実施しています。{closes_at}に終了します。{survey['answered']:,}人が回答しました。",
            icon=":material/how_to_vote:",
        )
    elif overview["next_quarter"]:
        st.warning(
            f"{overview['next_title']}の満足度調査がまだです。4・7・10・1月に、1週間かけて実施します。",
            icon=":material/event_upcoming:",
        )
    elif survey := overview["last"]:
        is_met = survey["mean"] is not None and survey["mean"] >= overview["goal"]
        text = f"最新の調査（{survey['title']}）の満足度は{mean(survey)}で、目標{overview['goal']:.1f}"
        (st.success if is_met else st.warning)(
            f"{text}を{'達成しています' if is_met else '下回っています'}。", icon=":material/grade:"
        )
    else:
        st.info("準備中の調査があります。下の一覧から送信してください。", icon=":material/edit_note:")


def _prepare_button() -> None:
    if has_permission("reservations:survey:update"):
        dialogs.button("調査を準備する", new, key=f"{KEY}.new", icon="add")


def _quarters() -> dict[str, str]:
    """The quarters that a survey can be about: the last four."""
    now = times.now()
    index = now.year * 4 + (now.month - 1) // 3
    quarters = {}
    for offset in range(1, 5):
        year, quarter = divmod(index - offset, 4)
        quarters[f"{year:04}-Q{quarter + 1}"] = f"{year}年{3 * quarter + 1}〜{3 * quarter + 3}月"
    return quarters


def new() -> None:
    ask(
        f"{KEY}.create",
        "満足度調査を準備する",
        (Choice("quarter", FIELDS["quarter"], _quarters, required=True, default=next(iter(_quarters()))),),
        lambda body, key: session.api().post(PATH, body, idempotency_key=key),
        icon="add",
        submit="準備する",
        done="調査を準備しました。一覧から送信してください。",
        intro="その四半期に予約が完了・キャンセルになった依頼者と、問い合わせをした依頼者が対象です。"
        "準備しただけでは送信されません。",
    )


@refreshing
def _show_list() -> None:
    tables.table(
        f"{KEY}.list",
        "調査の一覧",
        PATH,
        COLUMNS,
        counter="回",
        actions={"開く": drawer},
        empty=tables.Empty(
            "まだ調査を実施していません", "「調査を準備する」で対象の四半期を選び、人数を確認して送信します。"
        ),
    )


def drawer(row: SurveyItem) -> None:
    dialogs.drawer(f"満足度調査 {row['title']}", f"{PATH}/{row['id']}", _show, key=KEY, icon="how_to_vote")


def _show(survey: SurveyDetail) -> None:
    st.markdown(f"{STATUS[survey['status']].badge()}　{small(plain(_times(survey)))}")
    if survey["recipients"]:
        _recipients(survey, survey["recipients"])
    else:
        _results(survey)


def _times(survey: SurveyDetail) -> str:
    if not survey["sent_at"]:
        return f"準備 {times.stamp(survey['created_at'])}・{survey['created_by']}"
    sent = f"送信 {times.stamp(survey['sent_at'])}・{survey['sent_by']}"
    if survey["closed_at"]:
        return f"{sent}、終了 {times.stamp(survey['closed_at'])}"
    reminder = f"、再送 {times.stamp(survey['reminder_at'])}ごろ" if survey["reminder_at"] else ""
    return f"{sent}、終了予定 {times.stamp(survey['closes_at'])}{reminder}"


def _recipients(survey: SurveyDetail, recipients: Recipients) -> None:
    total = recipients["mail"] + recipients["sms"]
    if not total:
        st.info("この四半期の送信先はありません。", icon=":material/info:")
        return
    st.markdown(f"送信先は **{total:,}人** です（メール {recipients['mail']:,}人、SMS {recipients['sms']:,}人）。")
    st.markdown(
        small(
            "メールアドレスがあればメール、携帯電話の番号だけならSMSで、1人に1通ずつ送ります。"
            + (f"どちらもない{recipients['without']:,}人には送りません。" if recipients["without"] else "")
        )
    )
    if has_permission("reservations:survey:update"):
        dialogs.button("送信する", _send, survey, recipients, key=f"{KEY}.send", icon="send", type="primary")


def _send(survey: SurveyDetail, recipients: Recipients) -> None:
    total = recipients["mail"] + recipients["sms"]
    closes_at = times.full(times.now() + _WEEK)
    _target(survey).confirm(
        "send",
        f"満足度調査（{survey['title']}）を{total:,}人に送信しますか？",
        f"メール{recipients['mail']:,}通とSMS{recipients['sms']:,}通を送ります。送信は取り消せません。"
        f"回答は{closes_at}まで受け付け、4日後に未回答の方へ一度だけ再送します。",
        body=lambda _: {"recipients": total},
        action=f"{total:,}人に送信する",
        success=f"満足度調査を{total:,}人に送信します。",
    )


def _target(survey: SurveyDetail) -> Target:
    return Target(KEY, PATH, survey["id"], version=survey["version"])


def _results(survey: SurveyDetail) -> None:
    st.markdown(f"平均 **{mean(survey)}**　回答 **{plain(answer_rate(survey))}**　送信先 {survey['invited']:,}人")
    highest = max(survey["distribution"]) or 1
    with st.container(border=True, gap="small", key=f"{KEY}.stars"):
        for stars, label in reversed(STARS.items()):
            count = survey["distribution"][stars - 1]
            left, middle, right = st.columns([3, 4, 1], vertical_alignment="center")
            left.markdown(f"{'★' * stars} {label}")
            middle.progress(count / highest)
            right.markdown(f"{count:,}人")
    if survey["status"] == "open" and has_permission("reservations:survey:update"):
        dialogs.button("今すぐ終了する", _close, survey, key=f"{KEY}.close", icon="stop_circle")


def _close(survey: SurveyDetail) -> None:
    _target(survey).confirm(
        "close",
        f"満足度調査（{survey['title']}）を終了しますか？",
        "以後は回答も変更もできません。回答とお客様の連絡先の結び付きは消え、元に戻せません。",
        body=lambda _: {},
        action="終了する",
        success="満足度調査を終了しました。",
    )


def _answers() -> None:
    st.subheader("回答", anchor=False)
    ratings = {str(stars): f"{stars} {label}" for stars, label in reversed(STARS.items())}
    chosen = filters.bar(
        filters.Choice("quarter", "対象の四半期", _quarters(), width=200),
        filters.Choice("stars", "評価", ratings, width=220),
        filters.Choice("commented", "コメント", {"true": "コメントのあるものだけ"}, width=220),
        prefix="answers.",
    )
    _show_answers(chosen)


@refreshing
def _show_answers(chosen: filters.Filters) -> None:
    tables.table(
        f"{KEY}.answers",
        "",
        f"{PATH}/answers",
        ANSWERS,
        sorts=SORTS,
        sort_name="answers.sort",
        filters=chosen,
        export=Export.of(f"{PATH}/answers"),
        empty=tables.Empty(
            "まだ回答はありません", "調査を送信すると、回答がここに並びます。回答者の名前は表示しません。"
        ),
    )
