"""`python -m service.demo [--stores-file PATH] [--accounts-file PATH] [--firmware-key-file PATH]
[--payments-file PATH]`: fills the database,
and writes down the terminals that the simulator plays, the accounts that the login page offers, and the payments that
the demo's Stripe knows of. With a key there is
firmware too."""

from __future__ import annotations

import argparse
import base64
import json
import os
from pathlib import Path

import psycopg

from service.core.database.session import SYSTEM, transaction
from service.core.settings import settings
from service.demo import fill, firmware, fleet, people
from service.demo.reservations import payments


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service.demo")
    parser.add_argument("--stores-file", type=Path)
    parser.add_argument("--accounts-file", type=Path)
    parser.add_argument("--firmware-key-file", type=Path)
    parser.add_argument("--payments-file", type=Path)
    arguments = parser.parse_args()
    if settings().mode != "demo":
        raise SystemExit("Demo data is for GENBA_MODE=demo only; nothing was changed.")
    with transaction(SYSTEM) as db:
        fill(db)
        if arguments.firmware_key_file:
            firmware.fill(db, base64.b64decode(arguments.firmware_key_file.read_bytes()))
        open_payments = payments.open_payments(db)
    _analyze(os.environ.get("DATABASE_OWNER_URL"))
    if arguments.accounts_file:
        arguments.accounts_file.write_text(json.dumps(people.as_json(), ensure_ascii=False, indent=1))
    if arguments.payments_file:
        arguments.payments_file.write_text(json.dumps(open_payments, ensure_ascii=False, indent=1))
    if arguments.stores_file:
        arguments.stores_file.write_text(json.dumps(fleet.simulated_terminals(), ensure_ascii=False, indent=1))


def _analyze(owner_url: str | None) -> None:
    """What was filled at once is known to the planner from the first page on; otherwise it is a minute later."""
    if owner_url:
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("ANALYZE")


main()
