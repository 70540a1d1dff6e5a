"""新規投入依頼 (3.1a): a new corporation, its statements, and 送信."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, corporation_words, drafting, sending
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.agencies import Duplicate, Intake, Masters
from dashboards.ui import feedback, heading
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

FORM = "new_request"
LABELS = corporation_words.LABELS | sending.LABELS

Values = Mapping[str, Any]


def page() -> None:
    submission = sending.state(FORM)
    if submission.done is not None:
        sending.show_sent(submission, "続けて新規の依頼を入力する")
        return
    try:
        masters, intake = corporation_form.masters(), corporation_form.intake()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    draft = drafting.open_draft(FORM)
    if draft is None:
        return
    if submission.is_confirming:
        confirm(submission, draft, masters)
    else:
        fill_in(submission, draft, masters, intake)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.has_ended():
        st.rerun()
    feedback.failed(problem, key=FORM)
    st.markdown(small(sending.DRAFT_KEPT))


def fill_in(submission: sending.Sending, draft: drafting.Draft, masters: Masters, intake: Intake) -> None:
    st.markdown("法人情報と明細画像を入力してください。カード情報のほかは、入力するたびに下書きに保存されます。")
    draft.begun_before()
    errors = submission.errors
    values = sending.requester_fields(draft, errors)
    corporation = corporation_form.draw(prefix(draft), draft.values, masters, intake, errors=errors)
    values |= corporation | sending.statement_fields(draft, errors)
    draft.keep(values, LABELS)
    payload = sending.request_body(draft, values, corporation=corporation)
    sending.confirm_button(submission, draft, payload, field_labels(corporation["customer_type"]))


def field_labels(customer_type: str) -> dict[str, str]:
    """The fields whose errors are shown at the field, with their labels."""
    corporation_labels = {
        f"corporation.{name}": corporation_words.label(name, customer_type) for name in corporation_words.LABELS
    }
    card_labels = {f"corporation.{name}": label for name, label in corporation_form.CARD_LABELS.items()}
    return {**corporation_labels, **card_labels, **sending.LABELS}


def prefix(draft: drafting.Draft) -> str:
    return f"{FORM}.{draft.name}"


def confirm(submission: sending.Sending, draft: drafting.Draft, masters: Masters) -> None:
    corporation = submission.body["corporation"]
    duplicate_notice(submission, corporation)

    def facts() -> None:
        for section, lines in corporation_words.facts(corporation, masters).items():
            card = corporation_words.card_summary(corporation.get("card")) if section == "支払方法" else {}
            sending.show_filled(section, lines | card)

    # The typed data is forgotten, above all the card.
    sending.confirmation(submission, draft, draft.values, facts, lambda: corporation_form.forget(prefix(draft)))


def duplicate_notice(submission: sending.Sending, corporation: Values) -> None:
    """Shows when the corporation seems to be registered already: then a site is added to it, instead of a second
    corporation."""
    names = [corporation[name] for name in ("last_name", "first_name")]
    kana = [corporation[name] for name in ("last_name_kana", "first_name_kana")]
    search = {
        "corporation_number": corporation["corporation_number"],
        "name": " ".join(filter(None, names)),
        "kana": "　".join(filter(None, kana)),
        "phone": corporation["phone1"],
    }
    try:
        query = {name: value for name, value in search.items() if value}
        duplicates: list[Duplicate] = session.api(patience=PAGE_TIMEOUT_SECONDS).post(
            "/api/agencies/corporations/duplicates", query, idempotency_key=None
        )["items"]
    except ApiProblem:
        return  # The check is optional.
    if not duplicates:
        return
    with st.container(border=True, key=f"{FORM}.duplicates"):
        st.markdown(
            ":orange[:material/content_copy: **同じ法人がすでに登録されている可能性があります。**]  \n"
            "同じ法人であれば、新しく登録せずに「既存法人に地点追加」から提出してください。"
        )
        for duplicate in duplicates[:3]:
            st.markdown(
                f"{plain(duplicate['name'])}　"
                f"{small(plain(duplicate['prefecture'] + duplicate['city'] + ' ' + duplicate['phone1']))}"
            )
            link("この法人に地点を追加する", f"/add-site?{urlencode({'corporation_id': duplicate['id']})}")


heading.page("新規投入依頼")
with st.container(width=sending.WIDTH):
    page()
