"""The guides of section 3: the list, the audiences and the contents. Pure functions.

The texts are Jinja templates of Markdown in `texts/`. Numbers and messages in them come from the rules of the system,
so that a guide cannot contradict the system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.core.reports.markdown import escaped, sections
from service.core.reports.model import Report
from service.core.values.targets import NEAR, Target
from service.core.values.times import DAY, SATURDAY, TOKYO, WEEKDAYS, Month, at, format_local_datetime, local_date
from service.core.values.working_time import HOURS
from service.reservations.alarms import rules as alarms
from service.reservations.assistants import rules as assistants
from service.reservations.enquiries import rules as enquiries
from service.reservations.flow.progress import progress
from service.reservations.incidents import rules as incidents
from service.reservations.incidents.rules import Level, Mark
from service.reservations.notices import rules as notices
from service.reservations.notices.rules import EXAMPLE_CODE, EXAMPLE_NUMBER, EXAMPLE_STAFF, EXAMPLE_TIME, EXAMPLE_TITLE
from service.reservations.operations import rules as operations
from service.reservations.operations.rules import Priority
from service.reservations.outgoing import call_script, message_texts
from service.reservations.queue import rules as queue
from service.reservations.rules import AREA, CONTACT_PAGE, GUIDES_PATH, SERVICE_NAME
from service.reservations.state_machine import case as cases
from service.reservations.state_machine.states import Purpose, State, Task

MAKER = SERVICE_NAME
# A guide of at least this reading time starts with a table of contents.
LONG_MINUTES = 10
SHOP, CUSTOMER = "フラワー銀座", "青木 花子"
SHOP_PHONE, PHONE = "+81312340001", "+819012345678"
# The example while no service is offered yet: service, size, price in yen.
EXAMPLE_SIZE = ("花束", "M", 5500)


class Audience(StrEnum):
    CUSTOMER = "customer"
    SHOP = "shop"
    OPERATOR = "operator"


AUDIENCE_LABELS = {Audience.CUSTOMER: "依頼者向け", Audience.SHOP: "提携店向け", Audience.OPERATOR: "運営担当者向け"}
# The title on the cover.
COVERS = {
    Audience.CUSTOMER: "ご利用ガイド",
    Audience.SHOP: "提携店の皆さまへ",
    Audience.OPERATOR: AUDIENCE_LABELS[Audience.OPERATOR],
}
# Guides for these audiences are public.
PUBLIC_AUDIENCES = (Audience.CUSTOMER, Audience.SHOP)


@dataclass(frozen=True)
class Guide:
    """`minutes`: reading time (3.1.2, 3.2.2, 3.3.2); None: a reference. `questions`: it consists of questions and
    answers."""

    name: str
    audience: Audience
    title: str
    minutes: int | None
    summary: str
    questions: bool = False

    @property
    def reading(self) -> str:
        return f"所要時間 約{self.minutes}分" if self.minutes else "必要なときに参照"

    @property
    def is_public(self) -> bool:
        return self.audience in PUBLIC_AUDIENCES


_C, _S, _O = Audience.CUSTOMER, Audience.SHOP, Audience.OPERATOR
GUIDES: Mapping[str, Guide] = {
    guide.name: guide
    for guide in (
        Guide("quick-start", _C, "クイックスタートガイド", 5, "予約の流れ、SMSの確認、お支払いの手順です。"),
        Guide(
            "connect", _C, "MCPクライアントの設定ガイド", 5, "お使いのAIアシスタントを予約サービスにつなぐ手順です。"
        ),
        Guide("examples", _C, "サンプル対話例", 3, "AIアシスタントとの会話の例を、サービスごとに紹介します。"),
        Guide("cancel", _C, "キャンセル手順", 2, "SMSのリンクからのキャンセルの手順と、返金の決まりです。"),
        Guide("faq", _C, "よくある質問", None, "よくある質問と回答です。キーワードで探せます。", questions=True),
        Guide("shop-manual", _S, "提携店向けマニュアル", 10, "電話受付の流れ、回答の方法、届くメールの説明です。"),
        Guide("shop-calls", _S, "電話スクリプト例", 5, "自動音声の実際の言葉と、回答の例です。"),
        Guide("shop-faq", _S, "提携店向けFAQ", None, "提携店の皆さまからよくいただく質問と回答です。", questions=True),
        Guide(
            "shop-trouble", _S, "トラブルシューティング", 5, "電話が聞き取れない、メールが届かないなどの対処法です。"
        ),
        Guide("operations", _O, "運用マニュアル", 30, "システムの概要と、手動対応の手順です。"),
        Guide("incidents", _O, "インシデント対応手順書", 20, "障害が発生したときの対応の流れです。"),
        Guide("logs", _O, "ログ確認ガイド", 15, "ログ・監査ログ・システム状態の見方と、探し方です。"),
        Guide("notices", _O, "Slack通知一覧", 10, "Slackに届く通知の内容と、対応の方法です。"),
    )
}
# The manual: the guides that a shop gets when its contract begins (3.2.3).
SHOP_GUIDES = tuple(guide for guide in GUIDES.values() if guide.audience is Audience.SHOP)


@dataclass(frozen=True)
class Size:
    name: str
    price: int


@dataclass(frozen=True)
class OfferedService:
    """A service with at least one size."""

    name: str
    sizes: Sequence[Size]


@dataclass(frozen=True)
class Routine:
    """A 定期作業 as texts: schedule, duration and owner."""

    title: str
    when: str
    minutes: str
    owner: str


@dataclass(frozen=True)
class Facts:
    """Facts in the guides that depend on the installation. `address`: of the public pages. `opens_at`, `closes_at`: the
    default hours in which shops are called. `requests_per_phone`: requests per phone number in an hour."""

    now: datetime
    address: str
    services: Sequence[OfferedService]
    support_phone: str
    support_mail: str
    slack_channel: str
    call_minutes: int
    requests_per_phone: int
    chores: Sequence[Routine]
    opens_at: time
    closes_at: time

    @property
    def support(self) -> str:
        return " / ".join(contact for contact in (self.support_phone, self.support_mail) if contact)


def build_report(guide: Guide, facts: Facts) -> Report:
    """The current guide, for PDF, public page and dashboard."""
    text = _environment().get_template(f"{guide.name}.md.jinja").render(_context(facts))
    return Report(
        title=guide.title,
        period=f"{COVERS[guide.audience]}　{guide.reading}",
        made_at=facts.now,
        sections=sections(text, questions=guide.questions),
        maker=MAKER,
        contents=bool(guide.minutes and guide.minutes >= LONG_MINUTES),
    )


class _Verbatim(str):
    """Text that is not escaped: it is shown in a code fence."""


def _environment() -> Environment:
    """Values in a template are escaped: they are text, never Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "texts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the result is escaped where it is shown
        finalize=lambda value: value if isinstance(value, _Verbatim) else escaped(str(value)),
    )
    environment.filters |= {"verbatim": lambda text: _Verbatim(text), "yen": message_texts.yen, "span": format_span}
    return environment


def format_span(span: timedelta) -> str:
    """10分, 1時間, 48時間, 90日."""
    minutes = int(span.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes}分" if minutes < 60 else f"{minutes // 60}時間{minutes % 60}分"
    hours = minutes // 60
    return f"{hours // 24}日" if hours > 72 and hours % 24 == 0 else f"{hours}時間"


def business_hours() -> str:
    hours = HOURS["business"]
    assert hours is not None
    return f"平日{format_clock(hours.opens)}〜{format_clock(hours.closes)}"


def format_clock(clock: time) -> str:
    return f"{clock.hour}:{clock.minute:02}"


def example_day(today: date) -> date:
    """A Saturday that can be requested, neither too near nor too far; it changes once a month."""
    first = Month(today.year, today.month).plus(1).first
    return first + DAY * ((SATURDAY - first.weekday()) % 7 + 7)


def _example(facts: Facts, offered: OfferedService | None = None, size: int = -1) -> message_texts.Facts:
    """An example reservation. By default of the second largest size, if the service has several."""
    chosen = offered or (facts.services[0] if facts.services else None)
    service, plan, price = EXAMPLE_SIZE
    if chosen is not None:
        chosen_size = chosen.sizes[size] if size >= 0 else chosen.sizes[max(0, len(chosen.sizes) - 2)]
        service, plan, price = chosen.name, chosen_size.name, chosen_size.price
    starts_at = at(example_day(local_date(facts.now)), time(14))
    return message_texts.Facts(
        code=EXAMPLE_CODE,
        service=service,
        plan=plan,
        starts_at=starts_at,
        price=price,
        customer_name=CUSTOMER,
        phone=PHONE,
        wishes="",
        cancel_until=starts_at - cases.CANCEL_BEFORE,
        shop=SHOP,
        shop_phone=SHOP_PHONE,
        pay_minutes=cases.PAY_MINUTES,
        pay_url=f"{facts.address}/pay/…",
        cancel_url=f"{facts.address}/cancel/…",
        support_phone=facts.support_phone,
        support_mail=facts.support_mail,
        guides_url=f"{facts.address}{GUIDES_PATH}/",
    )


def _context(facts: Facts) -> dict[str, Any]:
    """The variables of the templates."""
    example = _example(facts)
    local = example.starts_at.astimezone(TOKYO)
    paid = replace(example, paid=example.price, is_booked=True)
    return {
        "facts": facts,
        "services": [(offered, _example(facts, offered)) for offered in facts.services],
        "support": facts.support,
        "hours": business_hours(),
        "opens": format_clock(facts.opens_at),
        "closes": format_clock(facts.closes_at),
        "contact_url": f"{facts.address}{CONTACT_PAGE}",
        "url": {name: f"{facts.address}{GUIDES_PATH}/{name}" for name in GUIDES},
        "title": {name: guide.title for name, guide in GUIDES.items()},
        "shop_titles": "、".join(guide.title for guide in SHOP_GUIDES),
        "refund_title": Task.REFUND_FAILED.label,
        "burst": operations.BURST_SIZE,
        "burst_minutes": format_span(operations.BURST_WINDOW),
        "near": f"{100 // NEAR}%",
        "mcp_url": f"{facts.address}/mcp",
        "tokyo": TOKYO,
        "call_script": call_script,
        "message_texts": message_texts,
        "cases": cases,
        # An example reservation, and all messages about it.
        "example": example,
        "when": format_local_datetime(example.starts_at),
        "hour": f"{local.hour}時",
        "until": format_local_datetime(example.cancel_until),
        "spoken": f"{local.month}月{local.day}日{WEEKDAYS[local.weekday()]}曜日の{local.hour}時",
        "staff": EXAMPLE_STAFF,
        "what": _reservation_summary,
        "received": lambda reservation: assistants.received_text(
            reservation.code, _reservation_summary(reservation), is_new=True
        ),
        "progress": _progress,
        "sms": {
            purpose.name: message_texts.customer_message(purpose, paid).sms
            for purpose in message_texts.CUSTOMER_PURPOSES
        },
        "to_shop": {
            purpose.name: message_texts.shop_mail(purpose, replace(paid, is_booked=False))
            for purpose in message_texts.SHOP_TITLES
        },
        "booking_cancelled": message_texts.shop_mail(Purpose.RELEASED, paid),
        "call": call_script.build_script(example),
        # For operators.
        "states": State.labels(),
        "tasks": [TaskDescription(task) for task in Task],
        "priorities": [(priority.label, target_text(operations.TARGETS[priority])) for priority in Priority],
        "vague_target": f"{format_span(operations.TARGETS[operations.PRIORITIES[Task.VAGUE_ANSWER]].span)}以内",
        "levels": [Flow(level) for level in Level],
        "clock_notices": notices.clock_notices(),
        "incident_notices": notices.incident_notices(),
        "burst_notices": notices.burst_notices(),
        "alarm_notices": notices.alarm_notices(),
        "enquiry_notices": notices.enquiry_notices(),
        "other_notices": notices.other_notices(),
        "checks": alarms.CHECKS,
        "first_responses": [
            (
                party.label,
                [_response_target(enquiries.FIRST_RESPONSE_TARGETS[party, channel]) for channel in enquiries.Channel],
            )
            for party in enquiries.Party
        ],
        "resolution": f"{format_span(enquiries.RESOLUTION_TARGET.span)}以内",
        "nobody_on_call": operations.NOBODY_ON_CALL,
        "on_call_sms": operations.on_call_sms(Task.SMS_FAILED, EXAMPLE_CODE, EXAMPLE_TIME),
        "incident_sms": incidents.call_out_sms(EXAMPLE_NUMBER, EXAMPLE_TITLE, EXAMPLE_TIME),
        "status_sms": incidents.status_text(False, facts.support_phone),
        "back_sms": incidents.status_text(True, facts.support_phone),
        "roles": AREA.roles,
        "ticks": AREA.ticks,
    }


def _reservation_summary(reservation: message_texts.Facts) -> str:
    return f"{reservation.what}、{format_local_datetime(reservation.starts_at)}、{message_texts.yen(reservation.price)}"


def _progress(reservation: message_texts.Facts, state: str) -> str:
    """The progress message for the customer in that state, three days before the reservation starts."""
    now = reservation.starts_at - 3 * DAY
    call = 1 if state == State.CALLING else None
    case = cases.Case(
        state=State(state),
        since=now,
        starts_at=reservation.starts_at,
        price=reservation.price,
        order=(1,),
        call=call,
        paid=reservation.price,
    )
    return progress(case, now).sentence


def target_text(target: Target) -> str:
    calendar_text = "24時間体制" if target.calendar == "always" else business_hours()
    return f"{format_span(target.span)}以内（{calendar_text}）"


# When a task occurs (2.2), explained for new operators.
OCCASIONS: Mapping[Task, str] = {
    Task.ALL_SHOPS_REFUSED: f"提携店リストの全店舗に{cases.ROUNDS}周電話しても、予約が取れませんでした。",
    Task.SMS_FAILED: "依頼者の電話番号が無効か、SMSを受け取れない設定で、送信と再送がすべて失敗しました。",
    Task.VAGUE_ANSWER: "提携店が「検討します」「後で連絡します」など、その場で決めませんでした。",
    Task.CHANGE_REQUESTED: "提携店が「30分ずらしてほしい」「サイズを変更してほしい」など、変更を求めました。",
    Task.LATE_CANCEL: "キャンセル期限を過ぎた依頼者が、キャンセルのページからご事情を送信しました。",
    Task.PAYMENT_TROUBLE: "決済ページを用意できないか、期限後の決済や二重の決済がありました。",
    Task.REFUND_FAILED: "Stripeで返金が失敗しました。",
    Task.DISPUTE: "カードの名義人が、カード会社に支払いの異議を申し立てました。",
    Task.CALL_UNCLEAR: "電話がかかったかどうかを、電話代行サービスに確認できませんでした。",
    Task.SECOND_OK: "別の店舗に決まったあとで、もう1店舗が予約OKと答えました。",
    Task.CUSTOMER_ENQUIRY: "予約について、依頼者から問い合わせがありました。",
}


class TaskDescription:
    """A task of 手動対応 with the texts of the queue."""

    def __init__(self, task: Task) -> None:
        priority = operations.PRIORITIES[task]
        self.title = task.label
        self.occasion = OCCASIONS[task]
        self.notice = operations.operation_notice(task, EXAMPLE_CODE)
        self.priority = priority.label
        self.target = target_text(operations.TARGETS[priority])
        self.minutes = queue.ESTIMATED_MINUTES.get(task, "")
        self.steps = queue.PROCEDURES[task]


def _response_target(target: Target) -> str:
    return f"{format_span(target.span)}以内" if target.span else "その場で"


@dataclass(frozen=True)
class Stage:
    """A step of an incident's flow: its deadline and its hints."""

    title: str
    until: str
    hints: Sequence[str]


class Flow:
    """A level of incidents: its definition, and its steps with their targets."""

    def __init__(self, level: Level) -> None:
        self.word = level.label
        self.definition, self.examples = LEVELS[level]
        self.clock = "24時間" if incidents.calendar_of(level) == "always" else business_hours()
        self.is_recorded = incidents.requires_record(level)
        self.stages = [_stage(step) for mark, step in incidents.FLOWS[level].items() if mark is not Mark.DETECTED]
        self.report = next((step.title for mark, step in incidents.FLOWS[level].items() if mark is Mark.REPORT), "")


def _stage(step: incidents.Step) -> Stage:
    if step.target is None:
        until = "その週の金曜日まで"
    else:
        until = f"{format_span(step.target.span)}以内" if step.target.span else "すぐに"
    automatic_report = ("時間になると、システムが自動で報告します。早めに報告するときは「今すぐ報告する」を押します。",)
    return Stage(step.title, until, (*step.hints, *(automatic_report if step.tells else ())))


# Document 5.1 and 5.2: definition and examples of each level.
LEVELS: Mapping[Level, tuple[str, tuple[str, ...]]] = {
    Level.CRITICAL: (
        "システム全体の停止、決済システムの障害",
        ("システム全体がダウンした", "決済システムがまったく動作しない"),
    ),
    Level.HIGH: (
        "一部機能の停止、外部APIの障害",
        ("Bland.aiの障害で電話をまったく発信できない", "Twilioの障害でSMSをまったく送信できない"),
    ),
    Level.MEDIUM: (
        "パフォーマンスの劣化、手動対応の多発",
        ("APIの応答が遅い（5秒を超える）", "手動対応が通常の2倍発生している"),
    ),
    Level.LOW: (
        "軽微な不具合、一時的なエラー",
        ("一時的なSMS送信の失敗（再送で成功した）", "特定の店舗に電話がつながらない"),
    ),
}


MAX_ATTACHED_BYTES = 10 * 1024 * 1024


def build_mail(facts: Facts, shop: str, contact: str) -> tuple[str, str]:
    """Subject and body of the mail with the manual for a new shop."""
    guide_lines = [
        f"・{guide.title}（{guide.reading}）\n  {facts.address}{GUIDES_PATH}/{guide.name}" for guide in SHOP_GUIDES
    ]
    first, second = SHOP_GUIDES[0].title, SHOP_GUIDES[1].title
    support = f"お問い合わせ: {facts.support}（{business_hours()}）" if facts.support else ""
    lines = [
        f"{shop} 御中",
        *([f"{contact} 様"] if contact else []),
        "",
        f"いつもお世話になっております。{SERVICE_NAME} です。",
        "予約の電話をお受けいただくための手引きをお送りします。",
        "",
        *guide_lines,
        "",
        "同じものをPDFで添付しました。印刷して、お電話のそばに置いていただけます。",
        f"はじめに、お電話に出る皆さまで「{first}」と「{second}」をお読みください。",
        "オンラインの導入説明会（30分）も毎月1回開催しています。日時は担当者からご案内します。",
        "",
        "ご不明な点がございましたら、お気軽にお問い合わせください。",
        "どうぞよろしくお願いいたします。",
        "",
        MAKER,
        *([support] if support else []),
        "このメールは自動でお送りしています。",
    ]
    return f"{message_texts.SENDER}{first}をお送りします", "\n".join(lines)
