"""The manufacturer's tool for firmware: keys, and signatures that the service and the agents verify.

python -m stack.firmware key maker.key                                   # creates it, prints the public key
python -m stack.firmware sign --key maker.key --version 2.1.0 image.bin  # prints the signature for ファームウェア管理
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(path: Path) -> None:
    """A new private key, readable only by its owner: 32 raw bytes in base64. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()) + b"\n")


def public_key(path: Path) -> str:
    """The public key, raw, in base64: for FLEET_FIRMWARE_PUBLIC_KEYS and the agents' firmware_public_keys."""
    return base64.b64encode(_key(path).public_key().public_bytes_raw()).decode()


def sign(path: Path, version: str, image: Path) -> str:
    """The signature over version, size and SHA-256 of the image, in base64."""
    from service.fleet.firmware.rules import (
        signed_bytes,
    )  # Imported here, otherwise the launcher would load half of the service.

    with open(image, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        message = signed_bytes(version, file.tell(), digest)
    return base64.b64encode(_key(path).sign(message)).decode()


def _key(path: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_bytes()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack.firmware")
    commands = parser.add_subparsers(dest="command", required=True)
    key_command = commands.add_parser("key", help="make a private key and print its public half")
    key_command.add_argument("key", type=Path)
    sign_command = commands.add_parser("sign", help="print the signature of an image")
    sign_command.add_argument("--key", type=Path, required=True)
    sign_command.add_argument("--version", required=True)
    sign_command.add_argument("image", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "key":
            make_key(arguments.key)
            print(public_key(arguments.key))
        else:
            print(sign(arguments.key, arguments.version, arguments.image))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
