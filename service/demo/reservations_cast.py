"""Who plays in the demo's past: shops with their ways on the telephone, operators, reservations with their fates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from service.core.values.working_time import Calendar
from service.reservations.cases.rules import Case
from service.reservations.events import rules as e
from service.reservations.events.rules import Event, Task
from service.reservations.shop_search.rules import PhoneLine

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ShopFacts:
    id: int
    name: str
    phone: str
    mail: str
    line: PhoneLine
    staff: Sequence[str]
    # The hour in Tokyo → how likely it answers in which way.
    ways: Callable[[int], Mapping[str, float]]


@dataclass(frozen=True)
class Person:
    id: int
    name: str


@dataclass(frozen=True)
class Fate:
    """What the world does. `answers`: of the calls, in order, before shops answer in their own way; `never`: ways in
    which they do not; `last`: what the last call of the second round brings whatever happens. `pays`: after the link;
    None: never. `cancels`: how long before its time the customer does. `people`: what operators find out about a task,
    and after how much working time; a task that is not named is left to them.
    """

    answers: tuple[str, ...] = ()
    never: frozenset[str] = frozenset()
    last: str = "ok"
    pays: timedelta | None = 3 * MINUTE
    takes_sms: bool = True
    cancels: timedelta | None = None
    leaves: timedelta | None = None
    refund_fails: bool = False
    people: Mapping[Task, tuple[str, timedelta]] = field(default_factory=dict)


@dataclass(eq=False)
class Life:
    """One reservation. `order`: the shops as they were called when it was asked for."""

    code: str
    at: datetime
    service_id: int
    service: str
    plan_id: int
    plan: str
    price: int
    starts_at: datetime
    order: tuple[int, ...]
    customer: str
    phone: str
    mail: str
    wishes: str
    assistant_id: int | None
    user: Person | None
    fate: Fate
    chance: Random
    case: Case | None = None
    values: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    payments: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> Case:
        if self.case is None:
            raise RuntimeError(f"{self.code} has not been asked for yet")
        return self.case


@dataclass(frozen=True)
class Operator:
    """Who works on tasks, and the calendars by name."""

    people: Sequence[Person]
    calendars: Mapping[str, Calendar]


def done(case: Case, does: str, now: datetime) -> tuple[Event | None, str]:
    """What an operator does after the telephone call, and what is noted about it. None: the matter alone is settled."""
    match does:
        case "agreed":
            return e.ShopOk(shop=case.asked), "店長に電話で確認し、予約OKの回答をもらいました。"
        case "refused":
            return e.ShopRefused(), "電話で確認しましたが、予約NGでした。"
        case "accepted":
            later = case.starts_at + 30 * MINUTE
            return e.ChangeAccepted(
                starts_at=later, price=case.price
            ), "依頼者に電話し、30分後への変更を承諾いただきました。"
        case "declined":
            return e.ChangeRefused(), "依頼者に電話しましたが、変更は承諾いただけませんでした。"
        case "unlisted":
            name = "花の森田 03-0000-7788"
            return e.ShopOk(note=name), f"{name}\n一覧にない店舗に電話し、予約OKの回答をもらいました。"
        case "rearranged":
            day = case.starts_at + timedelta(days=2)
            again = e.Rearranged(starts_at=day, price=case.price, order=case.order)
            return again, "依頼者に電話し、2日後の同じ時刻で探し直すことになりました。"
        case "cancelled":
            return e.CancelAsked(by="operator"), "依頼者に電話し、今回は見送ることになりました。"
        case "let_off":
            special = e.CancelAsked(by="operator", special=True)
            return special, "体調不良とのこと。店舗にキャンセルを承諾いただきました。\n提携店の承諾: あり"
        case "mail":
            return e.CheckoutRetried(by_mail=True), "電話で予約内容を確認し、メールアドレスを伺いました。"
        case "retried":
            return e.RefundRetried(), "返金をやり直しました。"
    return None, "キャンセルポリシーを説明し、返金できないことをご了承いただきました。"
