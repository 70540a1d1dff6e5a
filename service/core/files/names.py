"""Names of files as people gave them, made harmless; and how a name travels in an HTTP header."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from service.core.purposes import Kind

LONGEST = 200
# Control characters, and those that turn the direction of writing: with them `exe.gpj` reads as `jpg.exe`.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_NOT_IN_NAMES = re.compile(r'[<>:"|?*]')


def clean(given: str, kind: Kind) -> str:
    """The last part of the path, visible characters only, at most 200 of them, with an ending that fits the content."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", given)[-1])
    name = "".join(character for character in name if unicodedata.category(character) not in _INVISIBLE)
    name = _NOT_IN_NAMES.sub("_", name).strip().rstrip(" .")
    ending = next((ending for ending in kind.endings if name.lower().endswith(ending)), None)
    stem = (name[: -len(ending)] if ending else name).strip(" .")
    ending = name[-len(ending) :] if ending else kind.endings[0]
    return (stem or "ファイル")[: LONGEST - len(ending)].rstrip() + ending


def disposition(name: str, *, inline: bool) -> str:
    """Content-Disposition (RFC 6266): the name in full for today's browsers, an ASCII one for the others."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode())
    if not re.search(r"[A-Za-z0-9]", plain.rpartition(".")[0]):
        plain = "file" + plain[plain.rfind(".") :] if "." in plain else "file"
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
