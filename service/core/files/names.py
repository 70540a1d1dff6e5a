"""Cleans file names of uploads, and writes file names into HTTP headers."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from service.core.purposes import FileKind

MAX_LENGTH = 200
# Control characters, and those that change the direction of writing: with them `exe.gpj` reads as `jpg.exe`.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_NOT_IN_NAMES = re.compile(r'[<>:"|?*]')


def clean(raw_name: str, kind: FileKind) -> str:
    """The last part of the path, only visible characters, at most 200, with an extension that fits the content."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", raw_name)[-1])
    name = "".join(character for character in name if unicodedata.category(character) not in _INVISIBLE)
    name = _NOT_IN_NAMES.sub("_", name).strip().rstrip(" .")
    extension = next((extension for extension in kind.extensions if name.lower().endswith(extension)), None)
    stem = (name[: -len(extension)] if extension else name).strip(" .")
    extension = name[-len(extension) :] if extension else kind.extensions[0]
    return (stem or "ファイル")[: MAX_LENGTH - len(extension)].rstrip() + extension


def disposition(name: str, *, inline: bool) -> str:
    """Content-Disposition (RFC 6266): the full name for today's browsers, an ASCII one for others."""
    ascii_name = re.sub(
        r"[^A-Za-z0-9._-]+", "_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    )
    if not re.search(r"[A-Za-z0-9]", ascii_name.rpartition(".")[0]):
        ascii_name = "file" + ascii_name[ascii_name.rfind(".") :] if "." in ascii_name else "file"
    disposition_type = "inline" if inline else "attachment"
    return f"{disposition_type}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
