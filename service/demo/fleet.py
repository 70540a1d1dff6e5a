"""The demo fleet: the three customers of the document's dashboard, a tenth of their terminals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.auth import actor_of
from service.core.access.identity import User, find_user, hash_token
from service.core.database.clock import app_now
from service.core.values.times import at, local_date
from service.demo import fleet_past
from service.fleet import actions, schemas
from service.fleet.agents.actions import issue_enrolment_code
from service.fleet.agents.schemas import NewEnrolmentCode
from service.fleet.maintenance import actions as maintenance
from service.fleet.maintenance.schemas import NewMaintenance
from service.fleet.models import Customer, EnrolmentCode, Terminal
from service.fleet.rules import ContractType

BY = "demo"
ENROLMENT_CODE = "GENBA-DEMO"

ACCOUNTS = {
    "fleet-admin": ("端末 管子", "admin"),
    "fleet-operator": ("田中 運", "operator"),
    "fleet-support": ("佐藤 支", "support"),
    "fleet-viewer": ("鈴木 覧", "viewer"),
}

# company -> contact, mail, phone, contract, stores with their number of tills
CUSTOMERS = {
    "ABC商事": (
        ("青木 誠", "aoki@abc-shoji.example", "03-1234-5601", ContractType.PREMIUM),
        {"新宿店": 12, "池袋店": 10, "上野店": 8, "品川店": 8, "横浜店": 8, "大宮店": 6},
    ),
    "XYZ商店": (
        ("小林 由美", "kobayashi@xyz-shoten.example", "03-1234-5602", ContractType.STANDARD),
        {"渋谷店": 11, "吉祥寺店": 8, "立川店": 7, "町田店": 5},
    ),
    "田中ストア": (
        ("田中 一", "tanaka@tanaka-store.example", "03-1234-5603", ContractType.BASIC),
        {"本店": 6, "駅前店": 3},
    ),
}


# What stands on a terminal, by its store name.
TAGS: Mapping[str, Callable[[str], bool]] = {
    "主レジ": lambda store: store.endswith(" レジ1番"),
    "駅ナカ": lambda store: store.startswith(("新宿店", "渋谷店", "駅前店")),
    "24時間営業": lambda store: store.startswith(("新宿店", "池袋店")),
}


def tills() -> list[tuple[str, str, str]]:
    """Serial number, customer and store name of every demo terminal."""
    places = [
        (company, f"{store} レジ{till}番")
        for company, (_, stores) in CUSTOMERS.items()
        for store, count in stores.items()
        for till in range(1, count + 1)
    ]
    return [(f"TC200-{number:06}", company, place) for number, (company, place) in enumerate(places, 1)]


def simulated() -> list[dict[str, str]]:
    """The terminals that the simulator plays: all but the first, which a real agent and a TC-200 on a line play."""
    return [{"serial_number": serial, "store_name": store} for serial, _, store in tills()[1:]]


def _plan_maintenance(db: Session, made: Mapping[str, Terminal]) -> None:
    """Tomorrow night at one store, by the operator of the demo."""
    operator = db.scalars(select(User).where(User.login_id == "fleet-operator")).one_or_none()
    person = find_user(db, operator.id) if operator else None
    store = [terminal.id for terminal in made.values() if terminal.store_name.startswith("横浜店")]
    if person is None or not store:
        return
    tomorrow = local_date(app_now(db)) + timedelta(days=1)
    maintenance.plan(
        db,
        actor_of(person, "-"),
        NewMaintenance(
            terminal_ids=store,
            starts_at=at(tomorrow, time(23)),
            ends_at=at(tomorrow + timedelta(days=1), time(5)),
            reason="回線工事のため",
        ),
    )


def fill(db: Session) -> None:
    known = {customer.company_name: customer for customer in db.scalars(select(Customer))}
    for company, ((person, mail, phone, contract), _) in CUSTOMERS.items():
        if company not in known:
            new = schemas.NewCustomer(
                company_name=company,
                contact_person=person,
                contact_email=mail,
                contact_phone=phone,
                contract_type=contract,
            )
            known[company] = actions.create_customer(db, BY, new)
    registered = set(db.scalars(select(Terminal.serial_number)))
    made: dict[str, Terminal] = {}
    for number, (serial, company, store) in enumerate(tills()):
        if serial not in registered:
            new_terminal = schemas.NewTerminal(
                serial_number=serial,
                customer_id=known[company].id,
                store_name=store,
                installed_date=date(2025, 4, 1) + timedelta(days=number * 3),
                tags=[tag for tag, fits in TAGS.items() if fits(store)],
            )
            made[serial] = actions.create_terminal(db, BY, new_terminal)
    if made:
        fleet_past.fill(db, made)
        _plan_maintenance(db, made)
    hashed = hash_token(ENROLMENT_CODE)
    code = db.scalars(select(EnrolmentCode).where(EnrolmentCode.code_hash == hashed)).one_or_none()
    if code is None:
        new_code = NewEnrolmentCode(maximum_uses=20_000, valid_hours=24 * 90)
        issue_enrolment_code(db, BY, new_code, ENROLMENT_CODE)
    else:
        code.expires_at = app_now(db) + timedelta(days=90)
        code.uses, code.revoked_at = 0, None
