"""What belongs to one incident, its six steps, until when each is due, and in which words people are told."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

from service.core.targets import Target
from service.core.texts import for_slack
from service.fleet.rules import ALERT_WORDS, AlertType

SYSTEM = "システム"
RECOVERED = "システム（自動復旧）"
# Alerts this near to one another may have one cause.
TOGETHER = timedelta(minutes=10)
# What comes back and fails again within this time is the same trouble: its incident goes on, nobody is told anew.
FLAPPING = timedelta(minutes=30)
# So much of the fleet silent in one look is rather our own blindness.
DOUBTFUL_SHARE = 0.3
DOUBTFUL_LEAST = 20
# Beyond so many incidents at one look, one mail tells of them all.
MAILS_AT_ONCE = 5
# A mail about a district without power must still be read on a phone, and a post is read at a glance.
MAIL_LISTS = 50
POST_LISTS = 10
# An alert that could not be told for a day is news to nobody.
NEWS_LASTS = timedelta(days=1)
LONGEST_SNOOZE = timedelta(days=7)


class Scope(StrEnum):
    """What the members of an incident share."""

    TERMINAL = "terminal"
    STORE = "store"
    CUSTOMER = "customer"
    NETWORK = "network"
    FLEET = "fleet"


@dataclass(frozen=True)
class Step:
    """A step of the document's 4.2. `permission` is whose it is; the system's has none. `after` is the step from whose
    end its time counts; without, from detection."""

    number: int
    title: str
    team: str
    target: Target
    permission: str | None
    after: int | None = None


OPERATE = "fleet:incident:operate"
CONTACT = "fleet:incident:contact"


def _step(number: int, title: str, team: str, minutes: int, permission: str | None, after: int | None = None) -> Step:
    return Step(number, title, team, Target(f"step_{number}", timedelta(minutes=minutes)), permission, after)


STEPS = {
    step.number: step
    for step in (
        _step(1, "アラート検知", "システム", 0, None),
        _step(2, "初動確認", "運用チーム", 5, OPERATE),
        _step(3, "リモート診断", "運用チーム", 15, OPERATE),
        _step(4, "顧客連絡", "サポート", 30, CONTACT),
        _step(5, "対応実施", "運用チーム", 60, OPERATE),
        _step(6, "完了報告", "サポート", 10, CONTACT, after=5),
    )
}
DETECTION, FIRST_LOOK = 1, 2


def waits_for(number: int, done: Container[int], *, is_resolved: bool) -> Step | None:
    """The step that has to be recorded before this one. Nothing waits once the incident is over: what recovered by
    itself needed no repair."""
    first = STEPS[number].after
    if first is None or is_resolved or first in done or number in done:
        return None
    return STEPS[first]


@dataclass(frozen=True)
class Trouble:
    """Something found wrong with a terminal. `network` is where its heartbeats come from, None when it says nothing."""

    terminal_id: int
    alert_type: AlertType
    message: str
    customer_id: int
    customer_name: str
    store: str
    store_name: str
    serial_number: str
    network: str | None = None


@dataclass(frozen=True)
class Joinable:
    """An open incident of offline alerts, the newest of them young enough, and where its members are."""

    incident_id: int
    customer_ids: frozenset[int]
    networks: frozenset[str]


@dataclass
class Group:
    """What belongs together: new troubles, and the open incident they join, if there is one."""

    members: list[Trouble] = field(default_factory=list)
    incident_id: int | None = None


@dataclass(frozen=True)
class Shared:
    """What all members have in common."""

    scope: Scope
    customer_id: int | None = None
    customer_name: str | None = None
    store: str | None = None
    network: str | None = None


def network_of(address: str | None) -> str | None:
    """The network that an address belongs to: /24, or /48 of IPv6. None for an address that is used everywhere."""
    if address is None:
        return None
    read = ip_address(address.partition("/")[0])
    if not read.is_global:
        return None
    return str(ip_network(f"{read}/{24 if read.version == 4 else 48}", strict=False))


def group(found: Sequence[Trouble], joinable: Sequence[Joinable]) -> list[Group]:
    """Who belongs together: offline terminals of one customer or network, together or with an open incident's members
    (the earliest of those that fit); everything else stands alone. `joinable` comes oldest first."""
    alone = [Group([trouble]) for trouble in found if trouble.alert_type is not AlertType.OFFLINE]
    return [*_components([trouble for trouble in found if trouble.alert_type is AlertType.OFFLINE], joinable), *alone]


def _components(found: Sequence[Trouble], joinable: Sequence[Joinable]) -> list[Group]:
    """Connected parts of the graph whose edges are a shared customer or a shared network."""
    parent: dict[object, object] = {}

    def root(node: object) -> object:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(one: object, other: object) -> None:
        parent[root(one)] = root(other)

    for trouble in found:
        if trouble.network:
            join(("customer", trouble.customer_id), ("network", trouble.network))
    for open_one in joinable:
        for key in _keys(open_one):
            join(key, ("incident", open_one.incident_id))
    groups: dict[object, Group] = {}
    for trouble in found:
        groups.setdefault(root(("customer", trouble.customer_id)), Group()).members.append(trouble)
    for open_one in reversed(joinable):
        joined = groups.get(root(("incident", open_one.incident_id)))
        if joined:
            joined.incident_id = open_one.incident_id
    return list(groups.values())


def _keys(open_one: Joinable) -> list[tuple[str, object]]:
    return [("customer", one) for one in open_one.customer_ids] + [("network", one) for one in open_one.networks]


def shared(members: Sequence[Trouble]) -> Shared:
    """What the members have in common, the narrowest first."""
    first = members[0]
    customers = {member.customer_id for member in members}
    stores = {(member.customer_id, member.store) for member in members}
    networks = {member.network for member in members}
    network = first.network if len(networks) == 1 else None
    if len(members) == 1:
        return Shared(Scope.TERMINAL, first.customer_id, first.customer_name, first.store, network)
    if len(stores) == 1:
        return Shared(Scope.STORE, first.customer_id, first.customer_name, first.store, network)
    if len(customers) == 1:
        return Shared(Scope.CUSTOMER, first.customer_id, first.customer_name, None, network)
    if network:
        return Shared(Scope.NETWORK, network=network)
    return Shared(Scope.FLEET)


def doubtful(newly_silent: int, total: int) -> bool:
    """Whether so many fell silent at once that we should rather doubt ourselves."""
    return newly_silent >= DOUBTFUL_LEAST and newly_silent > DOUBTFUL_SHARE * total


@dataclass(frozen=True)
class News:
    """A new incident as the messages about it need it."""

    incident_id: int
    shared: Shared
    members: Sequence[Trouble]
    doubtful: bool = False

    @property
    def headline(self) -> str:
        return f"{where(self.shared, self.members[0])}: {self._what()}"

    def _what(self) -> str:
        word = ALERT_WORDS[self.members[0].alert_type]
        count = len(self.members)
        if self.doubtful:
            return f"{word} {count:,}台（監視側の障害の可能性があります）"
        return word if count == 1 else f"{word} {count:,}台"


def where(shared: Shared, first: Trouble) -> str:
    match shared.scope:
        case Scope.TERMINAL:
            return f"{first.customer_name} - {first.store_name}"
        case Scope.STORE:
            return f"{shared.customer_name} - {shared.store}"
        case Scope.CUSTOMER:
            return str(shared.customer_name)
        case Scope.NETWORK:
            return f"回線 {shared.network}"
        case Scope.FLEET:
            return "複数の顧客・回線"


def news_mail(news: Sequence[News], found_at: str, url: str) -> tuple[str, str]:
    """Subject and text of the mail that tells of new incidents found at the same moment."""
    subject = f"【Genba】{news[0].headline}"
    if len(news) > 1:
        subject += f" ほか{len(news) - 1}件"
    lines = [line for one in news for line in (f"■ {one.headline}", *_member_lines(one))]
    shown = lines[:MAIL_LISTS]
    if len(lines) > len(shown):
        shown.append("（以下は省略しました。画面で確認してください）")
    counted = f"次の{len(news)}件の障害" if len(news) > 1 else "次の障害"
    text = (
        f"{found_at} に、{counted}を検知しました。\n"
        "5分以内に初動確認をお願いします。\n\n" + "\n".join(shown) + f"\n\nアラート一覧: {url}\n"
    )
    return subject, text


def _member_lines(one: News) -> Iterable[str]:
    for member in one.members:
        yield f"・{member.customer_name} - {member.store_name}（{member.serial_number}）"
        yield f"  {ALERT_WORDS[member.alert_type]}: {member.message}"


def news_post(news: Sequence[News], found_at: str, url: str) -> str:
    """The same for Slack, shorter. Its three special characters are written as Slack wants them."""
    shown = news[:POST_LISTS]
    lines = [f"• {for_slack(one.headline)}{for_slack(_serial(one))}" for one in shown]
    if len(news) > len(shown):
        lines.append(f"• ほか{len(news) - len(shown)}件")
    return (
        f"【Genba】障害を{len(news)}件検知しました（{found_at}）\n" + "\n".join(lines) + f"\n<{url}|アラート一覧を開く>"
    )


def _serial(one: News) -> str:
    return f"（{one.members[0].serial_number}）" if len(one.members) == 1 else ""


@dataclass(frozen=True)
class Missed:
    """A step whose time has run out."""

    incident_id: int
    headline: str
    step: int


def reminder_mail(missed: Sequence[Missed], now: str, url: str) -> tuple[str, str]:
    """Subject and text of the one mail about the steps found overdue at the same moment."""
    first = missed[0]
    subject = f"【Genba】目標時間を過ぎました: {STEPS[first.step].title} {first.headline}"
    if len(missed) > 1:
        subject += f" ほか{len(missed) - 1}件"
    lines = [f"・{STEPS[one.step].title}（{STEPS[one.step].team}）: {one.headline}" for one in missed[:MAIL_LISTS]]
    if len(missed) > MAIL_LISTS:
        lines.append(f"・ほか{len(missed) - MAIL_LISTS}件")
    return subject, (
        f"{now} の時点で、次の対応が目標時間を過ぎています。\n"
        "対応したら、アラート一覧で完了を記録してください。\n\n" + "\n".join(lines) + f"\n\nアラート一覧: {url}\n"
    )
