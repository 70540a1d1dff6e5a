"""The addresses that 探す gives, opened as the dashboards open them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from anyio.from_thread import BlockingPortal
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.models import Agency
from service.agencies.rules import Status
from service.core.access.identity import User
from service.core.database.clock import app_now
from service.core.search.queries import SHOWN
from service.core.search.sources import sources
from service.entries.models import Child, Nursery, Parent
from service.fleet.incidents.models import Incident as FleetIncident
from service.loaners.models import Site
from service.reservations.enquiries.models import Enquiry
from service.reservations.incidents.models import Incident
from service.reservations.models import Shop
from tests import factories, people
from tests.api.agencies import scene as agencies
from tests.api.loaners import stock
from tests.api.reservations import scene as reservations
from tests.conftest import new_client
from tests.dashboards.pages import OpenPage, dialogs, lists, texts, titles

if TYPE_CHECKING:
    from service.main import Application

# In a name or a number of each row.
WORD = "Tansaku"
SALES = "agencies.request"


def fleet(db: Session, n: int, hidden_at: datetime | None) -> None:
    customer = factories.customer(db, f"{WORD}商事{n}")
    terminal = factories.terminal(db, customer, f"TC200-00000{n}", f"{WORD}店{n}")
    incident = db.get_one(FleetIncident, factories.alert(db, terminal).incident_id)
    customer.archived_at = terminal.archived_at = incident.resolved_at = hidden_at


def entries(db: Session, n: int, hidden_at: datetime | None) -> None:
    nursery = Nursery(name=f"{WORD}園{n}", code=f"TAN00{n}", archived_at=hidden_at)
    db.add(nursery)
    db.flush()
    for model in (Parent, Child):
        db.add(model(nursery_id=nursery.id, name=f"{WORD}{model.__name__}{n}", archived_at=hidden_at))


def loaners(db: Session, n: int, hidden_at: datetime | None) -> None:
    staff = people.create_actor(db, f"staff{n}", loaners="admin")
    stock.add_device(db, staff, f"{WORD}{n}").archived_at = hidden_at
    site = {"key": f"{WORD.lower()}{n}", "code": "TANSAKU" + "X" * n, "jurisdiction": "東", "group_mail": "a@b.jp"}
    db.add(Site(name=f"{WORD}拠点{n}", archived_at=hidden_at, **site))


def agency(db: Session, n: int, hidden_at: datetime | None) -> None:
    """A request of the seller, or one of a colleague that is done."""
    owner = db.scalars(select(User).where(User.login_id == ("colleague" if hidden_at else "seller"))).one()
    created = db.get_one(Agency, owner.memberships[0].tenant_id)
    status = Status.ENTERED if hidden_at else Status.WORKING
    corporation = agencies.corporation(db, created, f"{WORD}法人{n}")
    request = agencies.request(db, corporation, owner, status=status)
    agencies.site(db, request, status, power_branch_name=f"{WORD}支店{n}")
    agencies.agency(db, f"{WORD}代理店{n}", archived_at=hidden_at)


def reservation(db: Session, n: int, hidden_at: datetime | None) -> None:
    now = app_now(db)
    reservations.create_reservation(db, customer_name=f"{WORD}様{n}")
    db.add(Shop(name=f"{WORD}生花店{n}", code=f"TANSAKU{n}", phone=f"+8131234567{n}", archived_at=hidden_at))
    enquiry = {"party": "customer", "channel": "mail", "content": "?", "category": "other", "received_by": "x"}
    times = {"received_at": now, "first_due_at": now, "first_warn_at": now, "resolved_at": hidden_at}
    status = "resolved" if hidden_at else "received"
    db.add(Enquiry(topic=f"{WORD}質問{n}", sender_name="青木", status=status, **enquiry, **times))
    db.add(Incident(title=f"{WORD}障害{n}", level="low", detected_at=now, opened_by="x", resolved_at=hidden_at))


@pytest.fixture
def everyone(db: Session) -> dict[str, User]:
    """By the kinds that they find: the admin finds all but one."""
    reservations.fill(db)
    own = agencies.agency(db)
    seller, _ = agencies.sales(db, "seller", own), agencies.sales(db, "colleague", own)
    areas = dict.fromkeys(("fleet", "entries", "loaners", "agencies", "reservations"), "admin")
    admin = people.create_user(db, "admin", **areas)
    return dict.fromkeys({*sources()} - {SALES}, admin) | {SALES: seller}


def add_rows(db: Session, shown: int, hidden: int) -> None:
    """So many of each kind, and others that its list hides at first, if it hides any."""
    for n in range(1, shown + hidden + 1):
        for add in (fleet, entries, loaners, agency, reservation):
            add(db, n, app_now(db) if n > shown else None)
    db.flush()


Search = Callable[[User, str], dict[str, Any]]


@pytest.fixture
def search(db: Session, served: Application, portal: BlockingPortal) -> Search:
    """search(alice, "新宿") → the groups by kind."""
    client = new_client(served, portal)

    def find(user: User, typed: str) -> dict[str, Any]:
        answer = people.signed_in_client(db, client, user).get("/api/search", params={"q": typed})
        return {group["key"]: group for group in answer.json()["groups"]}

    return find


def opened(open_page: OpenPage, user: User, address: str) -> tuple[list[str], str]:
    """The texts of the rows of the page's lists, and all of its text."""
    parts = urlsplit(address)
    page = open_page(user, parts.path.lstrip("/"), **dict(parse_qsl(parts.query)))
    assert not page.exception, address
    rows = [json.dumps(row["cells"], ensure_ascii=False) for drawn in lists(page) for row in drawn["rows"]]
    return rows, "\n".join([*rows, *titles(page), *dialogs(page), texts(page)])


def test_each_kind_of_hit_leads_to_a_page_that_shows_it(
    db: Session, everyone: dict[str, User], search: Search, open_page: OpenPage
) -> None:
    add_rows(db, shown=1, hidden=1)
    missing = []
    for key, user in everyone.items():
        hits = search(user, WORD)[key]["hits"]
        assert len(hits) == 2, key
        for hit in hits:
            rows, everything = opened(open_page, user, hit["address"])
            name = re.split("[・　]", hit["title"])[-1]
            if not ([row for row in rows if name in row] if "q=" in hit["address"] else name in everything):
                missing.append((key, hit["title"], hit["address"]))
    assert missing == []


def test_a_list_that_has_the_other_hits_shows_all_of_them(
    db: Session, everyone: dict[str, User], search: Search, open_page: OpenPage
) -> None:
    add_rows(db, shown=0, hidden=SHOWN + 1)
    shown = {}
    for key, user in everyone.items():
        group = search(user, WORD)[key]
        assert group["has_more"], key
        if group["more"]:
            rows, _ = opened(open_page, user, group["more"])
            shown[key] = len(rows)
    # The others are archived, or have no list.
    kinds = {"fleet.incident", SALES, "reservations.enquiry", "reservations.incident", "reservations.reservation"}
    assert shown == dict.fromkeys(kinds | {"agencies.agency", "agencies.case", "agencies.corporation"}, SHOWN + 1)
