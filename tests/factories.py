"""Creates rows for tests through the product's own actions."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.files import deposit, records
from service.core.imports.kinds import NewRow
from service.core.purposes import FileKind
from service.fleet import actions, schemas
from service.fleet.agents.actions import issue_enrolment_code
from service.fleet.agents.schemas import NewEnrolmentCode
from service.fleet.firmware.actions import add_firmware
from service.fleet.firmware.models import Firmware
from service.fleet.models import Alert, Customer, Terminal
from service.fleet.rules import FIRMWARE, AlertType
from service.fleet.watch import actions as watch
from tests import firmware_key, people

_numbers = itertools.count(1)


def customer(db: Session, company_name: str | None = None) -> Customer:
    new = schemas.NewCustomer(
        company_name=company_name or f"顧客{next(_numbers)}",
        contact_person="青木 誠",
        contact_email="aoki@example.com",
        contact_phone="03-1234-5678",
    )
    return actions.create_customer(db, "test", new)


def terminal(
    db: Session, owner: Customer | None = None, serial_number: str | None = None, store_name: str = "新宿店 レジ1番"
) -> Terminal:
    new = schemas.NewTerminal(
        serial_number=serial_number or f"TC200-{next(_numbers):06}",
        customer_id=(owner or customer(db)).id,
        store_name=store_name,
    )
    return actions.create_terminal(db, "test", new)


def terminals(db: Session, owner: Customer, store_names: Sequence[str]) -> list[Terminal]:
    """Many terminals at once, through the import."""
    rows = [
        NewRow({"serial_number": f"TC200-{next(_numbers):06}", "company_name": owner.company_name, "store_name": name})
        for name in store_names
    ]
    actions.import_terminals(db, people.create_actor(db, f"importer{next(_numbers)}", fleet="admin"), rows)
    serial_numbers = [row.values["serial_number"] for row in rows]
    return list(db.scalars(select(Terminal).where(Terminal.serial_number.in_(serial_numbers)).order_by(Terminal.id)))


def alert(db: Session, terminal: Terminal, kind: str = "error", message: str = "カードリーダー応答なし") -> Alert:
    """An open alert, with the incident that every alert has."""
    watch.raise_alerts(db, AlertType(kind), {terminal.id: message})
    db.flush()
    return db.scalars(select(Alert).where(Alert.terminal_id == terminal.id, ~Alert.is_resolved)).one()


def enrolment_code(db: Session, owner: Customer | None, maximum_uses: int = 1) -> str:
    new = NewEnrolmentCode(customer_id=owner.id if owner else None, maximum_uses=maximum_uses)
    return issue_enrolment_code(db, "test", new)[1]


def firmware(db: Session, version: str = "2.0.0", content: bytes = b"TC-200 firmware") -> Firmware:
    """A registered firmware image, signed with the maker's key that the tests' service trusts."""
    file = records.add(db, "test", deposit.store(io.BytesIO(content), FIRMWARE, f"{version}.bin", FileKind.BINARY))
    records.attach_generated(db, file)
    return add_firmware(db, "test", file, version, firmware_key.sign(version, content))
