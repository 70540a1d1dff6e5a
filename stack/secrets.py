"""Secrets from files: settings that the environment lacks, one file of SECRETS_FOLDER each, named like the setting in
small letters. The service and the dashboards read them by themselves; this module is for the programs of `stack`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def with_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment completed with the secret files; empty means not set. Raises ValueError when SECRETS_FOLDER is
    not a folder."""
    values = {name: value for name, value in environ.items() if value}
    if not values.get("SECRETS_FOLDER"):
        return values
    folder = Path(values["SECRETS_FOLDER"])
    if not folder.is_dir():
        raise ValueError(f"SECRETS_FOLDER must be a folder, and {folder} is none.")
    files = {file.name.upper(): file.read_text().strip() for file in folder.iterdir() if _is_setting(file)}
    return {name: value for name, value in files.items() if value} | values


def _is_setting(file: Path) -> bool:
    """Servers store files of their own there."""
    return file.name.isidentifier() and file.is_file()
