"""The guides: complete, with the promised reading time, and consistent with the rules that they describe."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from dashboards.menu import MENU
from dashboards.reservations import assistant_dialogs
from jobs.vendors.sms import BACK_OFF
from service.core.reports.render import content
from service.core.values.targets import Target
from service.core.values.times import SATURDAY, local_date
from service.demo.reservations import SERVICES
from service.reservations.alarms import rules as alarms
from service.reservations.assistants import rules as assistants
from service.reservations.chores import rules as chores
from service.reservations.drafts import rules as drafts
from service.reservations.enquiries import rules as enquiries
from service.reservations.guides import rules
from service.reservations.guides.rules import GUIDES, SHOP_GUIDES, Audience, Facts, OfferedService, Routine, Size
from service.reservations.incidents import rules as incidents
from service.reservations.notices import rules as notices
from service.reservations.operations import rules as operations
from service.reservations.operations.rules import Priority
from service.reservations.outgoing import call_script, message_texts
from service.reservations.queue import rules as queue
from service.reservations.state_machine import case as cases
from service.reservations.state_machine.states import Task
from stack import outages
from stack.home import ROOT

# Characters a minute of a slow reader of Japanese.
READING_SPEED = 500
OPERATORS = [guide.name for guide in GUIDES.values() if guide.audience is Audience.OPERATOR]
DEMO = [OfferedService(name, [Size(title, price) for _, title, price in plans]) for _, name, _, plans in SERVICES]
FACTS = Facts(
    now=datetime(2026, 11, 21, 0, 26, tzinfo=UTC),
    address="https://qrv.example",
    services=DEMO,
    support_phone="03-1234-5678",
    support_mail="support@qrv.example",
    slack_channel="#qrv-alerts",
    call_minutes=5,
    requests_per_phone=5,
    chores=[Routine("ダッシュボード確認", "毎日 10:00", "5分", "運営担当者")],
    opens_at=time(9),
    closes_at=time(20),
)


def texts(value: Any, *, shown_as_is: bool = True) -> list[str]:
    """All texts of a guide, in order."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item, shown_as_is=shown_as_is)]
    if isinstance(value, dict):
        if value.get("kind") == "verbatim" and not shown_as_is:
            return []
        own = [value[name] for name in ("title", "who", "text") if isinstance(value.get(name), str)]
        return own + texts([part for part in value.values() if isinstance(part, list)], shown_as_is=shown_as_is)
    return []


def guide_text(name: str, facts: Facts = FACTS) -> str:
    return "".join(texts(content(rules.build_report(GUIDES[name], facts))["sections"]))


def test_every_guide_of_the_specification_exists_with_its_reading_time() -> None:
    """3.1.2, 3.2.2 and 3.3.2, and the guide to the MCP settings, which 3.1.1 promises."""
    reading_times = {
        audience: {guide.title: guide.minutes for guide in GUIDES.values() if guide.audience is audience}
        for audience in Audience
    }

    assert reading_times[Audience.CUSTOMER] == {
        "クイックスタートガイド": 5,
        "MCPクライアントの設定ガイド": 5,
        "サンプル対話例": 3,
        "キャンセル手順": 2,
        "よくある質問": None,
    }
    assert reading_times[Audience.SHOP] == {
        "提携店向けマニュアル": 10,
        "電話スクリプト例": 5,
        "提携店向けFAQ": None,
        "トラブルシューティング": 5,
    }
    assert reading_times[Audience.OPERATOR] == {
        "運用マニュアル": 30,
        "インシデント対応手順書": 20,
        "ログ確認ガイド": 15,
        "Slack通知一覧": 10,
    }


@pytest.mark.parametrize("name", GUIDES)
def test_the_length_of_a_guide_fits_its_reading_time(name: str) -> None:
    length = sum(map(len, texts(content(rules.build_report(GUIDES[name], FACTS))["sections"], shown_as_is=False)))
    minutes = GUIDES[name].minutes

    assert length > 500
    if minutes:
        assert minutes * READING_SPEED / 3 < length < minutes * READING_SPEED


@pytest.mark.parametrize(
    "facts", [FACTS, replace(FACTS, services=(), support_phone="", support_mail="")], ids=["full", "bare"]
)
@pytest.mark.parametrize("name", GUIDES)
def test_no_template_syntax_is_left_in_a_text(name: str, facts: Facts) -> None:
    sections = content(rules.build_report(GUIDES[name], facts))["sections"]

    for text in filter(str.strip, texts(sections, shown_as_is=False)):
        assert not re.search(r"\\|\{\{|\{%|None|\*\*|\]\(|。。|、、|「」|  ", text), text
    for text in texts(sections):
        assert not re.search(r"\\[^n]|\{\{|\{%|None", text), text


def test_without_phone_and_mail_the_guides_name_the_contact_form() -> None:
    without_contact = replace(FACTS, support_phone="", support_mail="")
    for name in ("quick-start", "connect", "cancel", "faq", "shop-manual", "shop-faq", "shop-trouble"):
        for facts in (FACTS, without_contact):
            sections = str(content(rules.build_report(GUIDES[name], facts))["sections"])
            assert "https://qrv.example/contact" in sections, name
        assert "03-1234-5678" in guide_text(name)
        assert "カスタマーサポート 電話" not in guide_text(name, without_contact)


def test_a_hostile_name_of_a_service_stays_a_name() -> None:
    name = "花束 | *大* [x](http://evil.example) `a` {{ 7*7 }} <b>"
    hostile = replace(FACTS, services=[OfferedService(name, [Size("M_特*", 5500)])])

    for guide in ("quick-start", "examples", "shop-calls", "operations"):
        assert name in guide_text(guide, hostile), guide
        blocks = str(content(rules.build_report(GUIDES[guide], hostile))["sections"])
        assert "'href': 'http://evil.example'" not in blocks


RULES: list[tuple[Any, str, Any, dict[str, str]]] = [
    (
        cases,
        "PAY_MINUTES",
        17,
        {"quick-start": "17分以内", "faq": "17分以内", "shop-manual": "17分以内", "operations": "17分以内"},
    ),
    (
        cases,
        "CANCEL_BEFORE",
        timedelta(hours=31),
        {"cancel": "31時間前まで", "faq": "31時間前まで", "shop-faq": "31時間前"},
    ),
    (cases, "SHORTEST_NOTICE", timedelta(hours=7), {"quick-start": "7時間後から", "faq": "7時間前まで"}),
    (cases, "LONGEST_NOTICE", timedelta(days=77), {"quick-start": "77日先まで", "operations": "77日先まで"}),
    (cases, "GIVE_UP_BEFORE", timedelta(hours=6), {"faq": "6時間前までに結果", "operations": "6時間前になっても"}),
    (cases, "REMIND_BEFORE", timedelta(hours=30), {"quick-start": "30時間前", "operations": "30時間前"}),
    (cases, "ROUNDS", 9, {"quick-start": "9回ずつ", "shop-manual": "最大9回", "operations": "9周"}),
    (cases, "ROUND_PAUSE", timedelta(minutes=13), {"shop-manual": "13分ほど", "operations": "13分あけます"}),
    (cases, "REFUND_TIMEOUT", timedelta(hours=29), {"operations": "29時間たっても"}),
    (call_script, "VAGUE_REPLY", "では、また", {"shop-manual": "では、また", "shop-calls": "では、また"}),
    (call_script, "CHANGE_REPLY", "折り返します", {"shop-manual": "折り返します", "shop-calls": "折り返します"}),
    (message_texts, "TOO_LATE_TO_CANCEL", "遅すぎます", {"cancel": "遅すぎます"}),
    (
        message_texts,
        "SENDER",
        "【別名】",
        {"quick-start": "【別名】", "shop-manual": "【別名】", "shop-trouble": "【別名】"},
    ),
    (operations, "BURST_SIZE", 83, {"operations": "83件を超える"}),
    (operations, "NOBODY_ON_CALL", "当番なし", {"operations": "当番なし", "notices": "当番なし"}),
]


@pytest.mark.parametrize(("module", "rule", "value", "guides"), RULES, ids=[case[1] for case in RULES])
def test_a_changed_rule_changes_the_guides(
    monkeypatch: pytest.MonkeyPatch, module: Any, rule: str, value: Any, guides: dict[str, str]
) -> None:
    before = {name: guide_text(name) for name in guides}
    monkeypatch.setattr(module, rule, value)

    for name, expected in guides.items():
        assert expected not in before[name], name
        assert expected in guide_text(name), name


def test_prices_hours_and_urls_are_those_of_the_installation() -> None:
    other = replace(
        FACTS,
        address="https://other.example",
        services=[OfferedService("生け花", [Size("小", 1234), Size("大", 98765)])],
        support_phone="06-9999-0000",
        slack_channel="#another",
        call_minutes=11,
        opens_at=time(7, 30),
        closes_at=time(21),
    )

    for name in ("quick-start", "examples", "operations"):
        assert "生け花" in guide_text(name, other)
        assert "98,765円" in guide_text(name, other)
        assert "花束 M" not in guide_text(name, other)
    assert "https://other.example/mcp" in guide_text("connect", other)
    assert "7:30〜21:00" in guide_text("shop-manual", other)
    assert "長くても11分" in guide_text("shop-manual", other)
    assert "#another" in guide_text("notices", other)
    assert "06-9999-0000" in guide_text("shop-trouble", other)


def test_procedures_targets_and_flows_match_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    manual, incident = guide_text("operations"), guide_text("incidents")
    for task in Task:
        assert task.label in manual
        for step_text in queue.PROCEDURES[task]:
            assert step_text in manual, step_text
    for flow in incidents.FLOWS.values():
        for step in flow.values():
            assert step.title in incident or step.title == "検知"
            for hint in step.hints:
                assert hint in incident, hint

    monkeypatch.setitem(operations.TARGETS, Priority.HIGH, Target("high", timedelta(hours=19), "business"))
    monkeypatch.setitem(queue.PROCEDURES, Task.VAGUE_ANSWER, ("店舗に手紙を書きます。",))
    monkeypatch.setattr(Task.DISPUTE, "label", "苦情")
    for name in ("operations", "notices"):
        assert "19時間以内（平日9:00〜18:00）" in guide_text(name)
        assert "店舗に手紙を書きます。" in guide_text(name)
        assert "苦情" in guide_text(name)
    assert "19時間以内を目安に" in guide_text("shop-calls")


def test_the_guide_has_the_sentences_of_the_call_script() -> None:
    guide, script = guide_text("shop-calls"), call_script.build_script(rules._example(FACTS))

    assert script.first_sentence in guide
    for sentence in (call_script.VAGUE_REPLY, call_script.CHANGE_REPLY):
        assert sentence in guide
        # Literally what the voice assistant has to say.
        assert f"「{sentence}」" in script.task
    instructions = "".join(line for line in script.task.splitlines())
    assert "人だと偽る" in instructions
    assert "はい、QRVの自動音声でございます。" in guide


def test_examples_are_the_answers_of_the_mcp_tools() -> None:
    guide, example = guide_text("examples"), rules._example(FACTS)

    assert assistants.received_text(example.code, rules._reservation_summary(example), is_new=True) in guide
    assert rules._progress(example, "requested") in guide
    assert all(offered.name in guide for offered in DEMO)


def test_messages_in_guides_are_the_sent_ones() -> None:
    guide = guide_text("quick-start")
    assert "【QRV】ご予約を受け付けました。" in guide
    assert "5,500円を10分以内にお支払いください: https://qrv.example/pay/…" in guide
    for title in message_texts.SHOP_TITLES.values():
        assert title in guide_text("shop-manual")
    assert message_texts.BOOKING_CANCELLED in guide_text("shop-manual")


def test_the_example_day_is_a_bookable_saturday_and_the_same_for_a_month() -> None:
    times = [datetime(2026, 1, 1, 3, tzinfo=UTC) + timedelta(days=offset) for offset in range(800)]
    for now in times:
        day = rules.example_day(local_date(now))
        assert day.weekday() == SATURDAY
        assert timedelta(days=7) < day - local_date(now) < cases.LONGEST_NOTICE
    assert len({rules.example_day(local_date(now)) for now in times}) == len(
        {(day.year, day.month) for day in map(local_date, times)}
    )


def test_the_client_settings_are_those_of_the_token_dialog() -> None:
    guide = guide_text("connect")
    for client_settings in (
        assistant_dialogs.claude_code,
        assistant_dialogs.claude_desktop,
        assistant_dialogs.any_client,
    ):
        settings = client_settings("TOKEN", "https://qrv.example/mcp").replace("TOKEN", "トークン")
        assert "".join(settings.split()) in "".join(guide.split())
    local = guide_text("connect", replace(FACTS, address="http://127.0.0.1:8000"))
    desktop = assistant_dialogs.claude_desktop("TOKEN", "http://127.0.0.1:8000/mcp").replace("TOKEN", "トークン")
    assert "".join(desktop.split()) in "".join(local.split())


def test_the_retry_delays_of_an_sms_are_those_of_the_sender() -> None:
    minutes = "、".join(f"{int(pause.total_seconds()) // 60}分後" for pause in BACK_OFF)

    assert f"{minutes}に送り直します" in guide_text("operations")
    assert f"自動で{len(BACK_OFF)}回まで送り直します" in guide_text("faq")


@pytest.mark.parametrize("name", OPERATORS)
def test_every_page_named_for_operators_is_in_the_menu(name: str) -> None:
    titles = {page.title for page in MENU}
    named = set(re.findall(r"「([^」]+)」画面", guide_text(name)))

    assert named - titles == set()


def sources() -> str:
    """The source code of dashboards and service."""
    return "".join(path.read_text() for folder in ("dashboards", "service") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", [*OPERATORS, "cancel", "quick-start"])
def test_every_named_button_exists(name: str) -> None:
    """Each verb in brackets is the text of a button or in a page."""
    source_text = sources() + "".join(path.read_text() for path in (ROOT / "service").rglob("*.html"))
    named = {
        label
        for label in re.findall(r"「([^「」]+)」", guide_text(name))
        if re.search(r"(する|ます|送る|開く|書く|残す|む|ぐ)$", label)
    }

    assert {label for label in named if label not in source_text} == set()


# The functions that write to Slack, and the rules that give the text.
NOTICES_BY_FUNCTION: dict[tuple[str, str], list[Callable[..., str]]] = {
    ("alarms/actions.py", "_begin_alarm"): [alarms.begun_notice],
    ("alarms/actions.py", "_end_alarm"): [alarms.ended_notice, alarms.ended_reply],
    ("alarms/actions.py", "_propose_one"): [alarms.proposal_notice],
    ("assistants/actions.py", "_notify_rate_limit"): [assistants.rate_limit_notice],
    ("chores/actions.py", "notify_overdue"): [chores.reminder_message],
    ("drafts/actions.py", "draft_due"): [drafts.drafted_message],
    ("enquiries/actions.py", "receive_form"): [enquiries.received_message],
    ("enquiries/actions.py", "_notify_target"): [enquiries.warning_message, enquiries.breach_message],
    ("incidents/actions.py", "open_incident"): [incidents.opened_message],
    ("incidents/actions.py", "change_level"): [incidents.level_changed_message],
    ("incidents/actions.py", "_report_to_managers"): [incidents.management_message],
    ("incidents/actions.py", "_notify_late"): [incidents.late_message],
    ("operations/actions.py", "open_operation"): [operations.operation_notice],
    ("operations/actions.py", "notify_burst"): [operations.burst_notice],
    ("operations/actions.py", "notify_resolved"): [operations.resolved_notice],
    ("queue/actions.py", "notify_due_operations"): [operations.due_soon_notice, operations.overdue_notice],
}
# Functions that forward a text, reply in a thread who decided what, or read sent notices.
FORWARDING_FUNCTIONS = {
    ("alarms/actions.py", "_reply_in_thread"),
    ("alarms/actions.py", "_decide"),
    ("figures/queries.py", "notices"),
    ("incidents/actions.py", "_announce"),
    ("operations/actions.py", "notify_slack"),
}


def slack_functions() -> set[tuple[str, str]]:
    """All functions of the area that write to Slack, as (file, name)."""
    functions = set()
    folder = ROOT / "service/reservations"
    for path in folder.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(map(_writes_to_slack, ast.walk(function))):
                functions.add((str(path.relative_to(folder)), function.name))
    return functions


def _writes_to_slack(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return node.value == "slack"
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("notify_slack", "_announce")


def all_notices() -> list[str]:
    """The texts of all Slack messages."""
    groups = (
        *(notices.clock_notices(), notices.incident_notices(), notices.burst_notices()),
        *(notices.alarm_notices(), notices.enquiry_notices(), notices.other_notices()),
    )
    return [operations.operation_notice(task, notices.EXAMPLE_CODE) for task in Task] + [
        notice.text for group in groups for notice in group
    ]


def test_all_functions_that_write_to_slack_are_listed() -> None:
    """Add a new text to `notices/rules.py`, to the guide, and to `NOTICES_BY_FUNCTION`."""
    assert slack_functions() == NOTICES_BY_FUNCTION.keys() | FORWARDING_FUNCTIONS


def test_the_list_and_guide_use_every_notice_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed text changes the guide too."""
    for notice_rule in {notice_rule for notice_rules in NOTICES_BY_FUNCTION.values() for notice_rule in notice_rules}:
        module = importlib.import_module(notice_rule.__module__)
        with monkeypatch.context() as patch:
            patch.setattr(module, notice_rule.__name__, lambda *_, **__: "明日からの文面\n二行目")
            assert "明日からの文面" in "".join(all_notices()), notice_rule
            assert "明日からの文面" in guide_text("notices"), notice_rule


def test_the_guide_to_notices_has_every_text() -> None:
    guide = guide_text("notices")

    assert len(all_notices()) > 30
    for text in all_notices():
        assert text in guide, text
    for task in Task:
        assert operations.operation_notice(task, notices.EXAMPLE_CODE) in guide
    for check in alarms.CHECKS.values():
        assert check.text in guide


def test_the_texts_of_the_watchdog_are_in_the_guide() -> None:
    for text in (outages.DOWN, outages.STALLED):
        assert text in guide_text("notices"), text


def test_the_mail_to_a_shop_names_all_its_guides() -> None:
    subject, body = rules.build_mail(FACTS, "フラワー銀座", "佐藤 花")

    assert subject == "【QRV】提携店向けマニュアルをお送りします"
    assert body.startswith("フラワー銀座 御中\n佐藤 花 様\n")
    for guide in SHOP_GUIDES:
        assert guide.title in body
        assert f"https://qrv.example/guides/{guide.name}" in body
    assert "導入説明会（30分）も毎月1回" in body
    without_contact = rules.build_mail(replace(FACTS, support_phone="", support_mail=""), "花の里", "")[1]
    assert "お問い合わせ: " not in without_contact
    assert "様" not in without_contact
