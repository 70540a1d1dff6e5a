"""Two firmware images for the demo's terminals, signed with the demo's own key. A simulated TC-200 does not mind what
is in them."""

from __future__ import annotations

import base64
import hashlib
import io
import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.files import deposit, records
from service.core.purposes import FileKind
from service.demo.files import load
from service.fleet.firmware.actions import add_firmware
from service.fleet.firmware.models import Firmware
from service.fleet.firmware.rules import signed_bytes
from service.fleet.rules import FIRMWARE
from service.fleet.settings import settings

BY = "demo"


def fill(db: Session, key: bytes) -> None:
    """Registers the images that are missing; none when the service trusts other keys than this one (raw, private)."""
    signing_key = Ed25519PrivateKey.from_private_bytes(key)
    if signing_key.public_key().public_bytes_raw() not in settings().public_keys:
        return
    existing = set(db.scalars(select(Firmware.version)))
    images = load("fleet")["firmware"]
    for version, notes in images["notes"].items():
        if version in existing:
            continue
        content = random.Random(version).randbytes(images["bytes"])
        digest = hashlib.sha256(content).hexdigest()
        stored = deposit.store(io.BytesIO(content), FIRMWARE, f"tc200-{version}.bin", FileKind.BINARY)
        file = records.add(db, BY, stored)
        records.attach_generated(db, file)
        signature = base64.b64encode(signing_key.sign(signed_bytes(version, len(content), digest))).decode()
        add_firmware(db, BY, file, version, signature, notes)
