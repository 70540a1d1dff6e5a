"""`python -m service.demo [--stores-file PATH]`: fills the database, and writes the terminals the simulator plays."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from service.core.db import SYSTEM, transaction
from service.core.settings import settings
from service.demo import fill, fleet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service.demo")
    parser.add_argument("--stores-file", type=Path)
    arguments = parser.parse_args()
    if settings().mode != "demo":
        raise SystemExit("Demo data is for GENBA_MODE=demo only; nothing was changed.")
    with transaction(SYSTEM) as db:
        fill(db)
    if arguments.stores_file:
        arguments.stores_file.write_text(json.dumps(fleet.simulated(), ensure_ascii=False, indent=1))


main()
