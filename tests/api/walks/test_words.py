"""Texts of another tenant are nowhere in what a user can read."""

from __future__ import annotations

from functools import cache

from service.core.areas import AREAS, areas
from service.core.audit.search import ACTION_TITLES
from service.core.values import labels, targets
from service.migrations.baseline import read_rows
from service.reservations.state_machine.states import WAITING_LABEL, State
from tests.api.walks.walk import CHOOSE_WALKERS, MIN_TEXT_LENGTH, Walker, WalkerChoice, operations

# An area without tenant-bound roles is one tenant: a row that a colleague lists may appear in a detail.
SINGLE_TENANT_AREAS = {name for name, area in areas().items() if not any(role.scope for role in area.roles.values())}


@cache
def product_texts() -> set[str]:
    """Texts that every tenant may see. The labels of an area are complete when the application was made."""
    # Names of areas, which jobs are named after, and of their records, fields, choices and actions, as the code and the
    # audit log write them.
    titles = [
        titles
        for area in areas().values()
        for titles in (
            *(area.subjects, area.fields),
            *(labels.resolved(area.name, codes) for codes in area.values.values()),
        )
    ]
    # 定期作業 come with the product: their codes, owners and pages.
    chores = [chore[name] for chore in read_rows("reservations_chores") for name in ("code", "owner", "page")]
    # The state of a reservation is shown as a label; which labels a list has depends on the time. So is the state of a
    # target, which each area has: of an incident of the fleet, of a task of the reservations.
    states = [*State.labels().values(), WAITING_LABEL, *targets.State]
    roles = [role for area in areas().values() for role in area.roles]
    names = [text for codes in [*titles, ACTION_TITLES] for text in (*codes, *codes.values())]
    return {*AREAS, *names, *roles, *chores, *states}


@CHOOSE_WALKERS
def test_texts_of_other_tenants_are_nowhere_in_what_a_user_can_read(
    walkers: list[Walker], choose: WalkerChoice
) -> None:
    """Lists, details, searches, exports, pictures, the audit log: no text of another tenant's rows. The text of a
    refusal for a missing permission is the same for every row (test_refusals)."""
    texts_by_user = {walker.login_id: walker.texts() for walker in walkers}
    for walker in choose(walkers):
        read = "\n".join(
            walker.read_text(path)
            for operation in operations()
            if operation.method == "GET" and walker.may(operation)
            for path in walker.paths(operation.path)
            if not path.startswith(("/api/auth", "/api/health"))
        )
        colleagues = _of_colleagues(walker, texts_by_user)
        foreign = set().union(*texts_by_user.values()) - texts_by_user[walker.login_id] - product_texts() - colleagues
        # Most of the many texts do not occur even with their beginning: a fast first check.
        beginnings = {read[start : start + MIN_TEXT_LENGTH] for start in range(len(read))}
        candidates = {text for text in foreign if text[:MIN_TEXT_LENGTH] in beginnings and text in read}
        leaked = {text for text in candidates if not _is_shared(text, texts_by_user, walker)}
        owners = {
            text: [login_id for login_id, texts in texts_by_user.items() if text in texts]
            for text in sorted(leaked)[:5]
        }
        assert not leaked, (walker.login_id, owners)


def _of_colleagues(walker: Walker, texts_by_user: dict[str, set[str]]) -> set[str]:
    if walker.home_area not in SINGLE_TENANT_AREAS:
        return set()
    return set().union(
        *(texts for login_id, texts in texts_by_user.items() if login_id.startswith(f"{walker.home_area}-"))
    )


def _is_shared(text: str, texts_by_user: dict[str, set[str]], walker: Walker) -> bool:
    """A part of a text that the user sees anyway (「新宿店」 in 「新宿店 レジ1番」) gives nothing away. Several such
    parts in one cell of a file, or texts too short to tell anything, do not either."""
    return all(
        len(part) < MIN_TEXT_LENGTH or any(part in own_text for own_text in texts_by_user[walker.login_id])
        for part in text.split("、")
    )
