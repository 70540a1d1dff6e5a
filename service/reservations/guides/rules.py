"""The guides of section 3: which there are, for whom, and what they say. Pure.

The texts are Markdown in `texts/`; every figure, sentence and word of the system in them comes from the rules that it
works by, so that a guide cannot say something else than the system does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.core.calendar import HOURS
from service.core.reports.markdown import escaped, sections
from service.core.reports.model import Report
from service.core.targets import NEAR, Target
from service.core.times import DAY, SATURDAY, TOKYO, WEEKDAYS, Month, at, in_words, local_date
from service.reservations.alarms import rules as alarms
from service.reservations.assistants import rules as assistants
from service.reservations.cases import rules as cases
from service.reservations.enquiries import rules as enquiries
from service.reservations.events.rules import STATE_WORDS, Purpose, State, Task
from service.reservations.incidents import rules as incidents
from service.reservations.incidents.rules import Level, Mark
from service.reservations.letters import rules as letters
from service.reservations.notices import rules as notices
from service.reservations.notices.rules import CODE, MOMENT, NUMBER, STAFF, TITLE
from service.reservations.operations import rules as operations
from service.reservations.operations.rules import Priority
from service.reservations.progress.rules import progress
from service.reservations.queue import rules as queue
from service.reservations.rules import AREA, CONTACT_PAGE, GUIDES_PATH, SERVICE_NAME

MAKER = SERVICE_NAME
# A long one has its contents at its head.
LONG_MINUTES = 10
SHOP, CUSTOMER = "フラワー銀座", "青木 花子"
SHOP_PHONE, PHONE = "+81312340001", "+819012345678"
# What is spoken of where nothing is offered yet.
EXAMPLE_SIZE = ("花束", "M", 5500)


class Audience(StrEnum):
    CUSTOMER = "customer"
    SHOP = "shop"
    OPERATOR = "operator"


AUDIENCE_WORDS = {Audience.CUSTOMER: "依頼者向け", Audience.SHOP: "提携店向け", Audience.OPERATOR: "運営担当者向け"}
# What stands on the cover.
COVERS = {
    Audience.CUSTOMER: "ご利用ガイド",
    Audience.SHOP: "提携店の皆さまへ",
    Audience.OPERATOR: AUDIENCE_WORDS[Audience.OPERATOR],
}
# Everybody may read these.
PUBLIC = (Audience.CUSTOMER, Audience.SHOP)


@dataclass(frozen=True)
class Guide:
    """`minutes`: how long it takes to read (3.1.2, 3.2.2, 3.3.2); None: it is looked things up in. `questions`: it is
    made of questions and answers."""

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
        return self.audience in PUBLIC


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
# What a shop gets when its contract begins (3.2.3).
FOR_SHOPS = tuple(guide for guide in GUIDES.values() if guide.audience is Audience.SHOP)


@dataclass(frozen=True)
class Size:
    name: str
    price: int


@dataclass(frozen=True)
class Offered:
    """A service with at least one size."""

    name: str
    sizes: Sequence[Size]


@dataclass(frozen=True)
class Routine:
    """A 定期作業 in words: when it is done, how long that takes, and who does it."""

    title: str
    when: str
    minutes: str
    owner: str


@dataclass(frozen=True)
class Facts:
    """What guides say that no rule knows. `address`: of the public pages; `opens_at`, `closes_at`: between which shops
    are called that said nothing else; `requests_per_phone`: how many may be asked for with one number in an hour."""

    now: datetime
    address: str
    services: Sequence[Offered]
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
        return " / ".join(known for known in (self.support_phone, self.support_mail) if known)


def report(guide: Guide, facts: Facts) -> Report:
    """The guide as it stands now, for paper, page and screen alike."""
    text = _texts().get_template(f"{guide.name}.md.jinja").render(_context(facts))
    return Report(
        title=guide.title,
        period=f"{COVERS[guide.audience]}　{guide.reading}",
        made_at=facts.now,
        sections=sections(text, questions=guide.questions),
        maker=MAKER,
        contents=bool(guide.minutes and guide.minutes >= LONG_MINUTES),
    )


class _Verbatim(str):
    """To be shown as it is, in a fence."""


def _texts() -> Environment:
    """Whatever is put into a text is text, never Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "texts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # what comes of it is escaped where it is shown
        finalize=lambda value: value if isinstance(value, _Verbatim) else escaped(str(value)),
    )
    environment.filters |= {"verbatim": lambda text: _Verbatim(text), "yen": letters.yen, "span": span}
    return environment


def span(given: timedelta) -> str:
    """10分, 1時間, 48時間, 90日."""
    minutes = int(given.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes}分" if minutes < 60 else f"{minutes // 60}時間{minutes % 60}分"
    hours = minutes // 60
    return f"{hours // 24}日" if hours > 72 and hours % 24 == 0 else f"{hours}時間"


def business_hours() -> str:
    hours = HOURS["business"]
    assert hours is not None
    return f"平日{clock(hours.opens)}〜{clock(hours.closes)}"


def clock(moment: time) -> str:
    return f"{moment.hour}:{moment.minute:02}"


def example_day(today: date) -> date:
    """A Saturday that is neither too near nor too far to be asked for; the same one for a month."""
    first = Month(today.year, today.month).plus(1).first
    return first + DAY * ((SATURDAY - first.weekday()) % 7 + 7)


def _example(facts: Facts, offered: Offered | None = None, size: int = -1) -> letters.Facts:
    """A reservation to tell of: of the largest size but one, where there are several."""
    chosen = offered or (facts.services[0] if facts.services else None)
    service, plan, price = EXAMPLE_SIZE
    if chosen is not None:
        one = chosen.sizes[size] if size >= 0 else chosen.sizes[max(0, len(chosen.sizes) - 2)]
        service, plan, price = chosen.name, one.name, one.price
    starts_at = at(example_day(local_date(facts.now)), time(14))
    return letters.Facts(
        code=CODE,
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
    """The words that texts may use."""
    example = _example(facts)
    local = example.starts_at.astimezone(TOKYO)
    paid = replace(example, paid=example.price, is_booked=True)
    return {
        "facts": facts,
        "services": [(one, _example(facts, one)) for one in facts.services],
        "support": facts.support,
        "hours": business_hours(),
        "opens": clock(facts.opens_at),
        "closes": clock(facts.closes_at),
        "contact_url": f"{facts.address}{CONTACT_PAGE}",
        "url": {name: f"{facts.address}{GUIDES_PATH}/{name}" for name in GUIDES},
        "title": {name: guide.title for name, guide in GUIDES.items()},
        "shop_titles": "、".join(guide.title for guide in FOR_SHOPS),
        "refund_title": operations.TASK_WORDS[Task.REFUND_FAILED],
        "burst": operations.BURST,
        "burst_minutes": span(operations.BURST_WITHIN),
        "near": f"{100 // NEAR}%",
        "mcp_url": f"{facts.address}/mcp",
        "tokyo": TOKYO,
        "letters": letters,
        "cases": cases,
        # A reservation to tell of, and everything that is said about it.
        "example": example,
        "when": in_words(example.starts_at),
        "hour": f"{local.hour}時",
        "until": in_words(example.cancel_until),
        "spoken": f"{local.month}月{local.day}日{WEEKDAYS[local.weekday()]}曜日の{local.hour}時",
        "staff": STAFF,
        "what": _what,
        "received": lambda one: assistants.received(one.code, _what(one), is_new=True),
        "progress": _progress,
        "sms": {purpose.name: letters.to_customer(purpose, paid).sms for purpose in letters.FOR_CUSTOMERS},
        "to_shop": {one.name: letters.to_shop(one, replace(paid, is_booked=False)) for one in letters.SHOP_TITLES},
        "booking_cancelled": letters.to_shop(Purpose.RELEASED, paid),
        "call": letters.call(example),
        # Of the desk.
        "states": STATE_WORDS,
        "tasks": [Described(task) for task in Task],
        "priorities": [(operations.PRIORITY_WORDS[one], target_words(operations.TARGETS[one])) for one in Priority],
        "vague_target": f"{span(operations.TARGETS[operations.PRIORITIES[Task.VAGUE_ANSWER]].span)}以内",
        "levels": [Flow(level) for level in Level],
        "clock_notices": notices.clock_notices(),
        "incident_notices": notices.incident_notices(),
        "burst_notices": notices.burst_notices(),
        "alarm_notices": notices.alarm_notices(),
        "enquiry_notices": notices.enquiry_notices(),
        "other_notices": notices.other_notices(),
        "checks": list(alarms.CHECKS.values()),
        "first_responses": [
            (enquiries.PARTY_WORDS[party], [_at_once(enquiries.FIRST[party, one]) for one in enquiries.Channel])
            for party in enquiries.Party
        ],
        "resolution": f"{span(enquiries.RESOLUTION.span)}以内",
        "nobody_on_call": operations.NOBODY_ON_CALL,
        "on_call_sms": operations.call_out(Task.SMS_FAILED, CODE, MOMENT),
        "incident_sms": incidents.call_out(NUMBER, TITLE, MOMENT),
        "status_sms": incidents.status_text(False, facts.support_phone),
        "back_sms": incidents.status_text(True, facts.support_phone),
        "roles": AREA.roles,
        "ticks": AREA.ticks,
    }


def _what(one: letters.Facts) -> str:
    return f"{one.what}、{in_words(one.starts_at)}、{letters.yen(one.price)}"


def _progress(one: letters.Facts, state: str) -> str:
    """What the customer is told of it in that state, three days before its time."""
    now = one.starts_at - 3 * DAY
    call = 1 if state == State.CALLING else None
    case = cases.Case(
        state=State(state), since=now, starts_at=one.starts_at, price=one.price, order=(1,), call=call, paid=one.price
    )
    return progress(case, now).sentence


def target_words(target: Target) -> str:
    where = "24時間体制" if target.calendar == "always" else business_hours()
    return f"{span(target.span)}以内（{where}）"


# When a task comes up (2.2), for whoever has not seen one yet.
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


class Described:
    """A task of 手動対応 in the words of the queue."""

    def __init__(self, task: Task) -> None:
        priority = operations.PRIORITIES[task]
        self.title = operations.TASK_WORDS[task]
        self.occasion = OCCASIONS[task]
        self.notice = operations.notice(task, CODE)
        self.priority = operations.PRIORITY_WORDS[priority]
        self.target = target_words(operations.TARGETS[priority])
        self.minutes = queue.MINUTES.get(task, "")
        self.steps = queue.STEPS[task]


def _at_once(target: Target) -> str:
    return f"{span(target.span)}以内" if target.span else "その場で"


@dataclass(frozen=True)
class Stage:
    """A step of an incident's flow: until when it is to be done, and how."""

    title: str
    until: str
    hints: Sequence[str]


class Flow:
    """A level of incidents: what it is, and its steps with their targets."""

    def __init__(self, level: Level) -> None:
        self.word = incidents.LEVEL_WORDS[level]
        self.definition, self.examples = LEVELS[level]
        self.clock = "24時間" if incidents.calendar_of(level) == "always" else business_hours()
        self.is_recorded = incidents.is_recorded(level)
        self.stages = [_stage(step) for mark, step in incidents.FLOWS[level].items() if mark is not Mark.DETECTED]
        self.report = next((step.title for mark, step in incidents.FLOWS[level].items() if mark is Mark.REPORT), "")


def _stage(step: incidents.Step) -> Stage:
    if step.target is None:
        until = "その週の金曜日まで"
    else:
        until = f"{span(step.target.span)}以内" if step.target.span else "すぐに"
    told = ("時間になると、システムが自動で報告します。早めに報告するときは「今すぐ報告する」を押します。",)
    return Stage(step.title, until, (*step.hints, *(told if step.tells else ())))


# Document 5.1 and 5.2: what they are, by definition and by example.
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


MOST_ATTACHED = 10 * 1024 * 1024


def mail(facts: Facts, shop: str, contact: str) -> tuple[str, str]:
    """Subject and text of what a new shop is sent."""
    listed = [f"・{guide.title}（{guide.reading}）\n  {facts.address}{GUIDES_PATH}/{guide.name}" for guide in FOR_SHOPS]
    first, second = FOR_SHOPS[0].title, FOR_SHOPS[1].title
    support = f"お問い合わせ: {facts.support}（{business_hours()}）" if facts.support else ""
    lines = [
        f"{shop} 御中",
        *([f"{contact} 様"] if contact else []),
        "",
        f"いつもお世話になっております。{SERVICE_NAME} です。",
        "予約の電話をお受けいただくための手引きをお送りします。",
        "",
        *listed,
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
    return f"{letters.SENDER}{first}をお送りします", "\n".join(lines)
