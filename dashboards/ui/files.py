"""Choosing, uploading, showing and enlarging files. The browser itself sends them to `/files`; pages only learn their
ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode

import streamlit as st

from dashboards.ui.components import component

FILES_PATH = "/files"
IMAGES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP"}
DOCUMENTS = {".pdf": "PDF"}
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class File:
    """A stored file; `size` in bytes, `url` on our own origin."""

    id: str
    name: str
    size: int
    content_type: str
    url: str


def upload(
    key: str,
    label: str,
    *,
    purpose: str,
    kinds: Mapping[str, str] = IMAGES,
    max_bytes: int = 10 * MEGABYTE,
    max_files: int = 10,
    help: str = "",
    sent: Sequence[File] = (),
) -> list[File]:
    """Lets the user choose files, uploads them, and returns those that are stored.

    Args:
        key: a new one after the form was stored, so that the next form begins without files.
        purpose: the service's name for what the files are used for.
        kinds: allowed file extensions with their labels.
        sent: files that were uploaded before, when the form continues a draft.
    """
    st.markdown(label + (f"  \n:gray[:small[{help}]]" if help else ""))
    initial = [vars(file) for file in sent]
    uploaded = (st.session_state.get(key) or {}).get("files")
    stored = initial if uploaded is None else uploaded
    result = component("upload", '<div class="files"></div>')(
        key=key,
        data={
            "url": f"{FILES_PATH}?{urlencode({'purpose': purpose})}",
            "accept": [*kinds],
            "types": "・".join(dict.fromkeys(kinds.values())),
            "max_bytes": max_bytes,
            "max_files": max_files,
            "files": stored,
        },
        default={"files": initial, "waiting": False},
        on_files_change=_ignore,
        on_waiting_change=_ignore,
    )
    return [File(**file) for file in result["files"] or []]


def stored(key: str) -> list[File]:
    """For callbacks: more files may have arrived than were drawn last."""
    return [File(**file) for file in (st.session_state.get(key) or {}).get("files") or []]


def is_uploading(key: str) -> bool:
    """Whether some of the chosen files are still being uploaded."""
    return bool((st.session_state.get(key) or {}).get("waiting"))


def previews(
    key: str,
    files: Sequence[File],
    *,
    stage: bool = False,
    labels: Mapping[str, str] = MappingProxyType({}),
    shown: tuple[str, str] | None = None,
) -> None:
    """Thumbnails; a click enlarges one, to be rotated and browsed.

    Args:
        stage: one file is shown large above the others, for a user who types what it says, and stays when the page is
            drawn again.
        labels: file id → the label in place of its size.
        shown: a file to show on the stage, and a text that changes with each request.
    """
    items = [{**vars(file), "label": labels.get(file.id, "")} for file in files]
    data = {"files": items, "stage": stage, "shown": {"id": shown[0], "turn": shown[1]} if shown else None}
    component("previews", '<div class="files"></div>')(key=key, data=data)


def _ignore() -> None:
    """Streamlit requires a callback for each value that has a default."""
