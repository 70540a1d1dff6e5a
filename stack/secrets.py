"""Secrets from files: what the environment does not hold, one file of SECRETS_FOLDER each, named as the setting in
small letters. The service and the dashboards read them by themselves; this is for the programs of this room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def with_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with what stands in files; empty means not set. Raises ValueError for a folder that is none."""
    given = {name: value for name, value in environ.items() if value}
    if not given.get("SECRETS_FOLDER"):
        return given
    folder = Path(given["SECRETS_FOLDER"])
    if not folder.is_dir():
        raise ValueError(f"SECRETS_FOLDER must be a folder, and {folder} is none.")
    files = {file.name.upper(): file.read_text().strip() for file in folder.iterdir() if _is_setting(file)}
    return {name: value for name, value in files.items() if value} | given


def _is_setting(file: Path) -> bool:
    """Servers have files of their own there."""
    return file.name.isidentifier() and file.is_file()
