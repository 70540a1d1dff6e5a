"""Rules of incidents: how alerts are grouped, the six response steps with their targets, and the message texts."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network

from service.core.values import labels
from service.core.values.labels import Labelled
from service.core.values.targets import Target
from service.core.values.texts import escape_for_slack
from service.fleet.rules import AlertType

SYSTEM = "システム"
RECOVERED = "システム（自動復旧）"
# Alerts that begin within this time of one another may have the same cause.
GROUPING_WINDOW = timedelta(minutes=10)
# Trouble that returns within this time after recovery is flapping: its incident is reopened without a notification.
FLAPPING_WINDOW = timedelta(minutes=30)
# When this many terminals fall silent in one run of the watch, an outage of the service itself is more likely.
MASS_OUTAGE_SHARE = 0.3
MASS_OUTAGE_MIN = 20
# More new incidents than this in one run of the watch are sent in one mail.
MAX_SEPARATE_MAILS = 5
# Lines listed in a mail (readable on a phone even after a regional power cut) and in a Slack post.
MAX_MAIL_LINES = 50
MAX_POST_LINES = 10
# A notification that could not be sent for a day is dropped.
NOTICE_TTL = timedelta(days=1)
MAX_SNOOZE = timedelta(days=7)


class Scope(Labelled):
    """What the terminals of an incident have in common."""

    TERMINAL = "terminal", "端末1台"
    STORE = "store", "店舗"
    CUSTOMER = "customer", "顧客企業"
    NETWORK = "network", "回線"
    FLEET = "fleet", "複数の顧客・回線"


@dataclass(frozen=True)
class Step:
    """A response step (requirements document 4.2). `permission`: needed to record it; None for the system's step.
    `after`: the step after whose completion its time starts; None: it starts at detection."""

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
labels.table("fleet", "Steps", {number: step.title for number, step in STEPS.items()})
DETECTION, INITIAL_CHECK = 1, 2


def blocking_step(number: int, done: Container[int], *, is_resolved: bool) -> Step | None:
    """The step that has to be recorded before this one. None once the incident is resolved: what recovered by itself
    needed no repair."""
    previous = STEPS[number].after
    if previous is None or is_resolved or previous in done or number in done:
        return None
    return STEPS[previous]


@dataclass(frozen=True)
class Trouble:
    """A problem detected on a terminal. `network`: where its heartbeats come from; None when that is unknown or not a
    global address."""

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
class JoinableIncident:
    """An open incident of offline alerts that new alerts may still join, with its members' customers and networks."""

    incident_id: int
    customer_ids: frozenset[int]
    networks: frozenset[str]


@dataclass
class TroubleGroup:
    """New troubles that belong together, and the open incident that they join, if there is one."""

    members: list[Trouble] = field(default_factory=list)
    incident_id: int | None = None


@dataclass(frozen=True)
class SharedScope:
    """What all members of an incident have in common."""

    scope: Scope
    customer_id: int | None = None
    customer_name: str | None = None
    store: str | None = None
    network: str | None = None


def network_of(address: str | None) -> str | None:
    """The network that an address belongs to: /24, or /48 for IPv6. None for an address that is not global."""
    if address is None:
        return None
    ip = ip_address(address.partition("/")[0])
    if not ip.is_global:
        return None
    return str(ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


def group_troubles(troubles: Sequence[Trouble], joinable: Sequence[JoinableIncident]) -> list[TroubleGroup]:
    """Groups offline terminals that share a customer or a network, also with the members of an open incident (the
    earliest that fits). Every other trouble is a group of its own. `joinable`: oldest first."""
    alone = [TroubleGroup([trouble]) for trouble in troubles if trouble.alert_type is not AlertType.OFFLINE]
    return [
        *_components([trouble for trouble in troubles if trouble.alert_type is AlertType.OFFLINE], joinable),
        *alone,
    ]


def _components(troubles: Sequence[Trouble], joinable: Sequence[JoinableIncident]) -> list[TroubleGroup]:
    """The connected components of the graph whose edges are a shared customer or a shared network (union-find)."""
    parent: dict[object, object] = {}

    def find(node: object) -> object:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def union(first: object, second: object) -> None:
        parent[find(first)] = find(second)

    for trouble in troubles:
        if trouble.network:
            union(("customer", trouble.customer_id), ("network", trouble.network))
    for incident in joinable:
        for key in _nodes(incident):
            union(key, ("incident", incident.incident_id))
    groups: dict[object, TroubleGroup] = {}
    for trouble in troubles:
        groups.setdefault(find(("customer", trouble.customer_id)), TroubleGroup()).members.append(trouble)
    for incident in reversed(joinable):
        joined_group = groups.get(find(("incident", incident.incident_id)))
        if joined_group:
            joined_group.incident_id = incident.incident_id
    return list(groups.values())


def _nodes(incident: JoinableIncident) -> list[tuple[str, object]]:
    return [("customer", customer_id) for customer_id in incident.customer_ids] + [
        ("network", network) for network in incident.networks
    ]


def shared_scope(members: Sequence[Trouble]) -> SharedScope:
    """What the members have in common: the narrowest scope that holds for all of them."""
    first = members[0]
    customers = {member.customer_id for member in members}
    stores = {(member.customer_id, member.store) for member in members}
    networks = {member.network for member in members}
    network = first.network if len(networks) == 1 else None
    if len(members) == 1:
        return SharedScope(Scope.TERMINAL, first.customer_id, first.customer_name, first.store, network)
    if len(stores) == 1:
        return SharedScope(Scope.STORE, first.customer_id, first.customer_name, first.store, network)
    if len(customers) == 1:
        return SharedScope(Scope.CUSTOMER, first.customer_id, first.customer_name, None, network)
    if network:
        return SharedScope(Scope.NETWORK, network=network)
    return SharedScope(Scope.FLEET)


def suspects_mass_outage(newly_silent: int, total: int) -> bool:
    """Whether so many terminals fell silent at once that an outage of the service itself is more likely."""
    return newly_silent >= MASS_OUTAGE_MIN and newly_silent > MASS_OUTAGE_SHARE * total


@dataclass(frozen=True)
class IncidentNotice:
    """A new incident, as the notification about it needs it."""

    incident_id: int
    common: SharedScope
    members: Sequence[Trouble]
    is_mass_outage: bool = False

    @property
    def headline(self) -> str:
        return f"{scope_label(self.common, self.members[0])}: {self._summary()}"

    def _summary(self) -> str:
        label = self.members[0].alert_type.label
        count = len(self.members)
        if self.is_mass_outage:
            return f"{label} {count:,}台（監視側の障害の可能性があります）"
        return label if count == 1 else f"{label} {count:,}台"


def scope_label(common: SharedScope, first: Trouble) -> str:
    if common.scope is Scope.TERMINAL:
        return place_label(common.scope, first.customer_name, first.store_name, None)
    return place_label(common.scope, common.customer_name, common.store, common.network)


def place_label(scope: Scope, customer_name: str | None, store_name: str | None, network: str | None) -> str:
    match scope:
        case Scope.TERMINAL | Scope.STORE:
            return f"{customer_name} - {store_name}"
        case Scope.CUSTOMER:
            return str(customer_name)
        case Scope.NETWORK:
            return f"回線 {network}"
        case Scope.FLEET:
            return "複数の顧客・回線"


def notice_mail(notices: Sequence[IncidentNotice], detected_at: str, url: str) -> tuple[str, str]:
    """Subject and text of the mail about new incidents detected at the same time."""
    subject = f"【Genba】{notices[0].headline}"
    if len(notices) > 1:
        subject += f" ほか{len(notices) - 1}件"
    lines = [line for notice in notices for line in (f"■ {notice.headline}", *_member_lines(notice))]
    shown = lines[:MAX_MAIL_LINES]
    if len(lines) > len(shown):
        shown.append("（以下は省略しました。画面で確認してください）")
    incident_count = f"次の{len(notices)}件の障害" if len(notices) > 1 else "次の障害"
    text = (
        f"{detected_at} に、{incident_count}を検知しました。\n"
        "5分以内に初動確認をお願いします。\n\n" + "\n".join(shown) + f"\n\nアラート一覧: {url}\n"
    )
    return subject, text


def _member_lines(notice: IncidentNotice) -> Iterable[str]:
    for member in notice.members:
        yield f"・{member.customer_name} - {member.store_name}（{member.serial_number}）"
        yield f"  {member.alert_type.label}: {member.message}"


def notice_post(notices: Sequence[IncidentNotice], detected_at: str, url: str) -> str:
    """The same as a shorter Slack post. Slack's three special characters are escaped."""
    shown = notices[:MAX_POST_LINES]
    lines = [f"• {escape_for_slack(notice.headline)}{escape_for_slack(_serial(notice))}" for notice in shown]
    if len(notices) > len(shown):
        lines.append(f"• ほか{len(notices) - len(shown)}件")
    return (
        f"【Genba】障害を{len(notices)}件検知しました（{detected_at}）\n"
        + "\n".join(lines)
        + f"\n<{url}|アラート一覧を開く>"
    )


def _serial(notice: IncidentNotice) -> str:
    return f"（{notice.members[0].serial_number}）" if len(notice.members) == 1 else ""


@dataclass(frozen=True)
class OverdueStep:
    """A response step whose target time has passed."""

    incident_id: int
    headline: str
    step: int


def reminder_mail(overdue: Sequence[OverdueStep], now: str, url: str) -> tuple[str, str]:
    """Subject and text of the one mail about all steps found overdue at the same time."""
    first = overdue[0]
    subject = f"【Genba】目標時間を過ぎました: {STEPS[first.step].title} {first.headline}"
    if len(overdue) > 1:
        subject += f" ほか{len(overdue) - 1}件"
    lines = [
        f"・{STEPS[step.step].title}（{STEPS[step.step].team}）: {step.headline}" for step in overdue[:MAX_MAIL_LINES]
    ]
    if len(overdue) > MAX_MAIL_LINES:
        lines.append(f"・ほか{len(overdue) - MAX_MAIL_LINES}件")
    return subject, (
        f"{now} の時点で、次の対応が目標時間を過ぎています。\n"
        "対応したら、アラート一覧で完了を記録してください。\n\n" + "\n".join(lines) + f"\n\nアラート一覧: {url}\n"
    )
