"""新規投入依頼 (3.1a): a new corporation, its statements, and 送信."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.agencies import corporation_form, corporation_words, drafting, sending
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.ui import feedback, heading
from dashboards.ui.links import link
from dashboards.ui.text import plain, small

FORM = "new_request"
OWN = ("requested_by", "agency_id", "images", "remarks", "site_count")
LABELS = corporation_words.LABELS | sending.LABELS

Values = Mapping[str, Any]


def page() -> None:
    under_way = sending.state(FORM)
    if under_way.done is not None:
        sending.sent(under_way, "続けて新規の依頼を入力する")
        return
    try:
        masters, intake = corporation_form.masters(), corporation_form.intake()
    except ApiProblem as problem:
        _not_loaded(problem)
        return
    draft = drafting.opened(FORM)
    if draft is None:
        return
    if under_way.is_confirming:
        confirm(under_way, draft, masters)
    else:
        fill_in(under_way, draft, masters, intake)


def _not_loaded(problem: ApiProblem) -> None:
    if problem.status == 401 and session.ended():
        st.rerun()
    feedback.failed(problem, key=FORM)
    st.markdown(small(sending.KEPT))


def fill_in(under_way: sending.Sending, draft: drafting.Draft, masters: Values, intake: Values) -> None:
    st.markdown("法人情報と明細画像を入力してください。カード情報のほかは、入力するたびに下書きに保存されます。")
    draft.begun_before()
    errors = under_way.errors
    values = sending.on_behalf(draft, errors)
    corporation = corporation_form.draw(prefix(draft), draft.values, masters, intake, errors=errors)
    values |= corporation | sending.statement(draft, errors)
    draft.keep(values, LABELS)
    sent = sending.body(draft, values, corporation=corporation)
    sending.to_confirm(under_way, draft, sent, known_fields(corporation["customer_type"]))


def known_fields(customer_type: str) -> dict[str, str]:
    """Those below which the service's complaints stand, by the words above them."""
    of_corporation = {
        f"corporation.{name}": corporation_words.label(name, customer_type) for name in corporation_words.LABELS
    }
    card = {f"corporation.{name}": word for name, word in corporation_form.CARD_LABELS.items()}
    return {**of_corporation, **card, **sending.LABELS}


def prefix(draft: drafting.Draft) -> str:
    return f"{FORM}.{draft.name}"


def confirm(under_way: sending.Sending, draft: drafting.Draft, masters: Values) -> None:
    corporation = under_way.body["corporation"]
    same_already(under_way, corporation)

    def facts() -> None:
        for section, known in corporation_words.facts(corporation, masters).items():
            card = corporation_words.card_in_words(corporation.get("card")) if section == "支払方法" else {}
            sending.filled(section, known | card)

    # The card above all.
    sending.confirmation(under_way, draft, draft.values, facts, lambda: corporation_form.forget(prefix(draft)))


def same_already(under_way: sending.Sending, corporation: Values) -> None:
    """Says when the corporation seems to be registered: a site is added to it then, and no second one made."""
    names = [corporation[name] for name in ("last_name", "first_name")]
    kana = [corporation[name] for name in ("last_name_kana", "first_name_kana")]
    sought = {
        "corporation_number": corporation["corporation_number"],
        "name": " ".join(filter(None, names)),
        "kana": "　".join(filter(None, kana)),
        "phone": corporation["phone1"],
    }
    try:
        asked = {name: value for name, value in sought.items() if value}
        found = session.api(patience=PATIENCE_SECONDS).post("/api/agencies/corporations/duplicates", asked, once=None)[
            "items"
        ]
    except ApiProblem:
        return  # Nothing is refused for it.
    if not found:
        return
    with st.container(border=True, key=f"{FORM}.duplicates"):
        st.markdown(
            ":orange[:material/content_copy: **同じ法人がすでに登録されている可能性があります。**]  \n"
            "同じ法人であれば、新しく登録せずに「既存法人に地点追加」から提出してください。"
        )
        for one in found[:3]:
            st.markdown(f"{plain(one['name'])}　{small(plain(one['prefecture'] + one['city'] + ' ' + one['phone1']))}")
            link("この法人に地点を追加する", f"/add-site?{urlencode({'corporation_id': one['id']})}")


heading.page("新規投入依頼")
with st.container(width=sending.WIDTH):
    page()
