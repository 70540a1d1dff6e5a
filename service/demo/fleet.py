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
        (told["company_name"], f"{store} レジ{till}番")
        for told in load("fleet")["customers"]
        for store, count in told["stores"].items()
        for till in range(1, count + 1)
    ]
    return [(f"TC200-{number:06}", company, place) for number, (company, place) in enumerate(places, 1)]


def simulated() -> list[dict[str, str]]:
    """The terminals that the simulator plays: all but the first, which a real agent and a TC-200 on a line play.

    Of the simulated ones the first reports an error, and the last fall silent. Those are never of the store that is
    closed for the night: whoever starts the demo then would miss the alert.
    """
    trouble, nightly = load("fleet")["trouble"]["serial_number"], load("fleet")["past"]["nightly"]["store"]
    listed = [{"serial_number": serial, "store_name": store} for serial, _, store in tills()[1:]]
    return sorted(listed, key=lambda one: (one["serial_number"] != trouble, not one["store_name"].startswith(nightly)))


def _tags(store: str) -> list[str]:
    told: Mapping[str, Mapping[str, Any]] = load("fleet")["tags"]
    return [
        tag
        for tag, where in told.items()
        if store.startswith(tuple(where.get("stores", ()))) or ("ends" in where and store.endswith(where["ends"]))
    ]


def fill(db: Session) -> None:
    known = {customer.company_name: customer for customer in db.scalars(select(Customer))}
    for told in load("fleet")["customers"]:
        if told["company_name"] not in known:
            new = schemas.NewCustomer.model_validate({name: told[name] for name in schemas.NewCustomer.model_fields})
            known[new.company_name] = actions.create_customer(db, BY, new)
    registered = set(db.scalars(select(Terminal.serial_number)))
    made: list[Terminal] = []
    for number, (serial, company, store) in enumerate(tills()):
        if serial not in registered:
            new_terminal = schemas.NewTerminal(
                serial_number=serial,
                customer_id=known[company].id,
                store_name=store,
                installed_date=date(2025, 4, 1) + timedelta(days=number * 3),
                tags=_tags(store),
            )
            made.append(actions.create_terminal(db, BY, new_terminal))
    if made:
        fleet_past.fill(db, made)
        _plan_maintenance(db, made)
    _keep_enrolment_code(db)


def _plan_maintenance(db: Session, made: Sequence[Terminal]) -> None:
    told, tomorrow = load("fleet")["planned"], local_date(app_now(db)) + DAY
    store = [terminal.id for terminal in made if terminal.store == told["store"]]
    if store:
        begins, ends = at(tomorrow, told["starts_at"]), at(tomorrow + DAY, told["ends_at"])
        new = NewMaintenance(terminal_ids=store, starts_at=begins, ends_at=ends, reason=told["reason"])
        maintenance.plan(db, actor(db, told["by"]), new)


def _keep_enrolment_code(db: Session) -> None:
    told = load("fleet")["enrolment"]
    found = select(EnrolmentCode).where(EnrolmentCode.code_hash == hash_token(told["code"]))
    code = db.scalars(found).one_or_none()
    if code is None:
        new_code = NewEnrolmentCode(maximum_uses=told["maximum_uses"], valid_hours=24 * told["days"])
        issue_enrolment_code(db, BY, new_code, told["code"])
    else:
        code.expires_at = app_now(db) + told["days"] * DAY
        code.uses, code.revoked_at = 0, None
