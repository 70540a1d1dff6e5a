"""The demo fleet: customers, terminals with a month behind them, and a code to enrol agents with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.access.identity import hash_token
from service.core.database.clock import app_now
from service.core.values.times import DAY, at, local_date
from service.demo import fleet_past
from service.demo.files import actor, load
from service.fleet import actions, schemas
from service.fleet.agents.actions import issue_enrolment_code
from service.fleet.agents.schemas import NewEnrolmentCode
from service.fleet.maintenance import actions as maintenance
from service.fleet.maintenance.schemas import NewMaintenance
from service.fleet.models import Customer, EnrolmentCode, Terminal

BY = "demo"


def tills() -> list[tuple[str, str, str]]:
    """Serial number, customer and store name of every demo terminal."""
    places = [
        (customer["company_name"], f"{store} レジ{till}番")
        for customer in load("fleet")["customers"]
        for store, count in customer["stores"].items()
        for till in range(1, count + 1)
    ]
    return [(f"TC200-{number:06}", company, place) for number, (company, place) in enumerate(places, 1)]


def simulated_terminals() -> list[dict[str, str]]:
    """The terminals that the simulator plays: all but the first, which a real agent and a TC-200 on a line play.

    Of the simulated ones the first reports an error, and the last fall silent. Those are never of the store that is
    closed for the night: whoever starts the demo then would miss the alert.
    """
    trouble, nightly = load("fleet")["trouble"]["serial_number"], load("fleet")["past"]["nightly"]["store"]
    terminals = [{"serial_number": serial, "store_name": store} for serial, _, store in tills()[1:]]
    return sorted(
        terminals,
        key=lambda terminal: (terminal["serial_number"] != trouble, not terminal["store_name"].startswith(nightly)),
    )


def _tags(store: str) -> list[str]:
    stores_by_tag: Mapping[str, Mapping[str, Any]] = load("fleet")["tags"]
    return [
        tag
        for tag, stores in stores_by_tag.items()
        if store.startswith(tuple(stores.get("stores", ()))) or ("ends" in stores and store.endswith(stores["ends"]))
    ]


def fill(db: Session) -> None:
    customers = {customer.company_name: customer for customer in db.scalars(select(Customer))}
    for customer_data in load("fleet")["customers"]:
        if customer_data["company_name"] not in customers:
            new = schemas.NewCustomer.model_validate(
                {name: customer_data[name] for name in schemas.NewCustomer.model_fields}
            )
            customers[new.company_name] = actions.create_customer(db, BY, new)
    registered = set(db.scalars(select(Terminal.serial_number)))
    created: list[Terminal] = []
    for number, (serial, company, store) in enumerate(tills()):
        if serial not in registered:
            new_terminal = schemas.NewTerminal(
                serial_number=serial,
                customer_id=customers[company].id,
                store_name=store,
                installed_date=date(2025, 4, 1) + timedelta(days=number * 3),
                tags=_tags(store),
            )
            created.append(actions.create_terminal(db, BY, new_terminal))
    if created:
        fleet_past.fill(db, created)
        _plan_maintenance(db, created)
    _keep_enrolment_code(db)


def _plan_maintenance(db: Session, terminals: Sequence[Terminal]) -> None:
    planned, tomorrow = load("fleet")["planned"], local_date(app_now(db)) + DAY
    store = [terminal.id for terminal in terminals if terminal.store == planned["store"]]
    if store:
        begins, ends = at(tomorrow, planned["starts_at"]), at(tomorrow + DAY, planned["ends_at"])
        new = NewMaintenance(terminal_ids=store, starts_at=begins, ends_at=ends, reason=planned["reason"])
        maintenance.plan(db, actor(db, planned["by"]), new)


def _keep_enrolment_code(db: Session) -> None:
    data = load("fleet")["enrolment"]
    statement = select(EnrolmentCode).where(EnrolmentCode.code_hash == hash_token(data["code"]))
    code = db.scalars(statement).one_or_none()
    if code is None:
        new_code = NewEnrolmentCode(maximum_uses=data["maximum_uses"], valid_hours=24 * data["days"])
        issue_enrolment_code(db, BY, new_code, data["code"])
    else:
        code.expires_at = app_now(db) + data["days"] * DAY
        code.uses, code.revoked_at = 0, None
