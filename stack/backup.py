"""Backup and restore: one folder with the database, the files and a manifest, checked before and after.

    SHA256SUMS     as `sha256sum -c` reads it
    manifest.json  when, of which version, and what every table held
    database.dump  pg_dump's custom format
    files.tar      the local folder of FILES_URL, where there is one

With BACKUP_KEY all but the sums are sealed (`sealing`) and end in .age; nothing is ever on the disk unsealed. The dump
and the figures of the manifest come from one snapshot, so a backup taken while Genba works is consistent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service import __version__
from stack import attachments, contents, migrations, sealing, servers
from stack.borrowed import running_postgres
from stack.home import ROOT, Home
from stack.programs import environment, is_embedded

FORMAT = 1
SUMS, MANIFEST, DUMP, FILES = "SHA256SUMS", "manifest.json", "database.dump", "files.tar"
SEALED = ".age"
# A folder under this name is not whole yet.
UNFINISHED = ".part"


class Refused(Exception):
    """Why it was not done, in words."""


def backup(place: Home, to: Path | None) -> int:
    """`python -m stack backup`: writes a new folder."""
    folder = (to or ROOT / "backups" / f"genba-{datetime.now(UTC):%Y%m%d-%H%M%S}").absolute()
    place.prepare()
    with in_words():
        manifest = make(place, environment(place), folder)
        told = f"{rows(manifest['tables'])} rows of {len(manifest['tables'])} tables, and {_files(manifest)}"
        print(f"Backed up {told}, to {folder}")
        return 0
    return 1


def make(place: Home, environ: dict[str, str], folder: Path) -> dict[str, Any]:
    """Writes a new folder, which has its name only once it is whole; its manifest. Raises what `in_words` prints."""
    building = folder.with_name(folder.name + UNFINISHED)
    if folder.exists():
        raise Refused(f"{folder} exists already; give the name of a new folder.")
    url, known = _url(environ, "DATABASE_BACKUP_URL", "the role genba_backup"), keys(environ)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700, parents=True)
    try:
        with database(place, environ), _written(building / DUMP, known) as target:
            manifest = _dump(place, environ, url, target)
        manifest["files"] = None
        if attachments.folder_of(environ) is not None:
            with _written(building / FILES, known) as target:
                manifest["files"] = attachments.pack(environ, target)
        with _written(building / MANIFEST, known) as target:
            target.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        sums = "".join(f"{_sha256(file)}  {file.name}\n" for file in sorted(building.iterdir()))
        with _written(building / SUMS, None) as target:
            target.write(sums.encode())
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return manifest


def restore(place: Home, folder: Path) -> int:
    """`python -m stack restore FOLDER`: into an empty database, all or nothing, then compared with the manifest."""
    place.prepare()
    environ = environment(place)
    with in_words():
        manifest = checked(folder, environ)
        owner = _url(environ, "DATABASE_OWNER_URL", "the role genba_owner")
        reader = _url(environ, "DATABASE_BACKUP_URL", "the role genba_backup")
        attachments.refuse_unless_empty(environ, manifest["files"])
        with database(place, environ):
            found = fill(place, environ, owner, reader, folder, manifest)
        if manifest["files"]:
            with opened(folder, FILES, environ) as source:
                attachments.unpack(environ, manifest["files"], source)
        print(
            f"Restored {rows(found)} rows of {len(found)} tables, and {_files(manifest)}; all the same as when it was "
            f"backed up ({manifest['made_at']}, version {manifest['version']})."
        )
        return 0
    return 1


def fill(
    place: Home, environ: dict[str, str], owner: str, reader: str, folder: Path, manifest: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Restores the dump into the empty database of these addresses; what its tables hold then.

    Raises:
        Refused: the database is not empty, or is not what was backed up.
    """
    _refuse_target(owner, reader)
    with opened(folder, DUMP, environ) as source:
        _run(place, environ, owner, "pg_restore", "--exit-on-error", "--single-transaction", source=source)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("ANALYZE")
    with psycopg.connect(reader) as connection:
        found = contents.tables(connection)
    different = contents.differences(manifest["tables"], found)
    if different:
        raise Refused("The restored database is not what was backed up:\n  " + "\n  ".join(different))
    return found


def rows(tables: dict[str, dict[str, Any]]) -> int:
    return sum(int(table["rows"]) for table in tables.values())


def _dump(place: Home, environ: dict[str, str], url: str, target: sealing.Target) -> dict[str, Any]:
    """The dump, and the manifest of the same snapshot."""
    with psycopg.connect(url) as connection:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        if not contents.sees_everything(connection):
            raise Refused(
                "DATABASE_BACKUP_URL connects as a role from which row-level security hides rows; the backup would be "
                "a part. Use the role genba_backup."
            )
        snapshot, server = connection.execute(
            "SELECT pg_export_snapshot(), current_setting('server_version')"
        ).fetchone() or ("", "")
        _run(place, environ, url, "pg_dump", "--format=custom", f"--snapshot={snapshot}", target=target)
        revision = connection.execute(contents.REVISION).fetchone()
        return {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "revision": revision[0] if revision else None,
            "postgresql": server,
            "tables": contents.tables(connection),
        }


def checked(folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of a backup that is whole, unchanged, and not from a release newer than this one."""
    if not (folder / SUMS).is_file():
        raise Refused(f"{folder} is not a whole backup: {SUMS} is missing.")
    sums = {
        name: digest for digest, _, name in (line.partition("  ") for line in (folder / SUMS).read_text().splitlines())
    }
    ending = SEALED if MANIFEST + SEALED in sums else ""
    if not {MANIFEST + ending, DUMP + ending} <= sums.keys() <= {name + ending for name in (MANIFEST, DUMP, FILES)}:
        raise Refused(f"{folder} is not a whole backup: {SUMS} does not name what it should.")
    for name, digest in sums.items():
        if not (folder / name).is_file():
            raise Refused(f"{folder} is not a whole backup: {name} is missing.")
        if _sha256(folder / name) != digest:
            raise Refused(f"{folder / name} has changed since it was backed up (its checksum differs); not restored.")
    with opened(folder, MANIFEST, environ) as source:
        manifest: dict[str, Any] = json.loads(source.read())
    if manifest["format"] != FORMAT:
        raise Refused(f"The backup is in format {manifest['format']}; this version reads {FORMAT}.")
    if manifest["revision"] not in migrations.known():
        raise Refused(
            f"The backup is of version {manifest['version']} with migration {manifest['revision']}, which this version "
            "does not know. Restore it with that version or a newer one."
        )
    return manifest


def _refuse_target(owner: str, reader: str) -> None:
    with psycopg.connect(owner) as connection, psycopg.connect(reader) as other:
        if contents.identity(connection) != contents.identity(other):
            raise Refused("DATABASE_OWNER_URL and DATABASE_BACKUP_URL lead to two different databases.")
        if not contents.sees_everything(other):
            raise Refused("DATABASE_BACKUP_URL must connect as genba_backup, or what was restored cannot be compared.")
        present = {name for (name,) in connection.execute(contents.ROLES, [list(servers.ROLES.values())])}
        missing = sorted(set(servers.ROLES.values()) - present)
        if missing:
            raise Refused(f"The role {missing[0]} is missing; run service/migrations/roles.sql first.")
        if not contents.is_empty(connection):
            raise Refused(
                "The database is not empty, and nothing is ever restored over data. Create a new one for it (on this "
                "machine's own PostgreSQL: make reset)."
            )


def _run(
    place: Home,
    environ: dict[str, str],
    url: str,
    program: str,
    *arguments: str,
    source: attachments.Source | None = None,
    target: sealing.Target | None = None,
) -> None:
    """pg_dump into `target`, or pg_restore from `source`. The password goes by the environment: command lines can be
    read by everybody."""
    folder = environ.get("POSTGRESQL_PROGRAMS")
    known: dict[str, Any] = conninfo_to_dict(url)
    password = str(known.pop("password", ""))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [
                str((Path(folder) if folder else servers.bin_dir(place)) / program),
                *("--no-password", f"--dbname={make_conninfo(**known)}"),
                *arguments,
            ],
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C", "PGPASSWORD": password},
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE if target else subprocess.DEVNULL,
            stderr=said,
        )
        try:
            if source is not None and process.stdin is not None:
                # A program that ended early says why itself.
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    _copy(source, process.stdin)
            if target is not None and process.stdout is not None:
                with process.stdout:
                    _copy(process.stdout, target)
            process.wait()
        finally:
            # Before it could take the end of what it was given for the whole.
            process.kill()
            process.wait()
        said.seek(0)
        if process.returncode:
            raise Refused(f"{program} failed:\n{said.read().decode(errors='replace').strip()}")


def _copy(source: attachments.Source, target: sealing.Target) -> None:
    while piece := source.read(1024 * 1024):
        target.write(piece)


def keys(environ: Mapping[str, str]) -> sealing.Keys | None:
    try:
        return sealing.keys(environ.get("BACKUP_KEY", ""))
    except ValueError as wrong:
        raise Refused(str(wrong)) from None


@contextlib.contextmanager
def _written(file: Path, known: sealing.Keys | None) -> Iterator[sealing.Target]:
    """A new file of the backup, sealed where there is a key."""
    name = file if known is None else file.with_name(file.name + SEALED)
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        if known is None:
            yield handle
            return
        sealer = sealing.Sealer(handle, known.public)
        yield sealer
        sealer.close()


@contextlib.contextmanager
def opened(folder: Path, name: str, environ: Mapping[str, str]) -> Iterator[attachments.Source]:
    """What a file of the backup holds, opened where it is sealed."""
    sealed = folder / (name + SEALED)
    if not sealed.exists():
        with (folder / name).open("rb") as handle:
            yield handle
        return
    known = keys(environ)
    try:
        with sealed.open("rb") as handle:
            yield sealing.Opener(handle, known)
    except sealing.NoKey:
        if known is None:
            raise Refused(f"{folder} is sealed. Set BACKUP_KEY to the key that it was sealed with.") from None
        what = "BACKUP_KEY does not open" if known.secret else "BACKUP_KEY can only seal; it does not open"
        raise Refused(f"{what} {folder}. Set it to the secret key (AGE-SECRET-KEY-1…) of that backup.") from None
    except sealing.Broken as why:
        raise Refused(f"{sealed} has changed since it was backed up: {why}; not restored.") from None


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """A refusal is printed, and the block ends there."""
    try:
        yield
    except (Refused, RuntimeError, OSError, psycopg.Error) as why:
        print(str(why).strip())


def database(place: Home, environ: dict[str, str]) -> contextlib.AbstractContextManager[None]:
    return running_postgres(place) if is_embedded(environ, place)[0] else contextlib.nullcontext()


def _url(environ: dict[str, str], name: str, role: str) -> str:
    if not environ.get(name):
        raise Refused(f"{name} is missing: the address of the database as {role}.")
    return environ[name]


def _files(manifest: dict[str, Any]) -> str:
    return f"{manifest['files']['count']} files" if manifest["files"] else "no files"


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
