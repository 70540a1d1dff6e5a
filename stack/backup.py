"""Backup and restore: one folder with the database, the files and a manifest, checked before and after.

    SHA256SUMS     as `sha256sum -c` reads it
    manifest.json  time, version, and the row count and checksum of every table
    database.dump  pg_dump's custom format
    files.tar      the local folder of FILES_URL, where there is one

With BACKUP_KEY everything except the checksums is encrypted (`sealing`) and ends in .age; nothing is ever stored
unencrypted. The dump and the manifest's figures come from one snapshot, so a backup is consistent while Genba runs.
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
from service.migrations import baseline
from stack import attachments, contents, migrations, sealing, servers
from stack.borrowed import running_postgres
from stack.home import ROOT, Home
from stack.programs import environment, is_embedded

FORMAT = 1
CHECKSUMS, MANIFEST, DUMP, FILES = "SHA256SUMS", "manifest.json", "database.dump", "files.tar"
ENCRYPTED_SUFFIX = ".age"
# A folder with this suffix is not complete.
PARTIAL_SUFFIX = ".part"


class Refused(Exception):
    """Why a backup or restore was refused, as a message for the user."""


def backup(home: Home, to: Path | None) -> int:
    """`python -m stack backup`: writes a new folder."""
    folder = (to or ROOT / "backups" / f"genba-{datetime.now(UTC):%Y%m%d-%H%M%S}").absolute()
    home.prepare()
    with print_errors():
        manifest = write_backup(home, environment(home), folder)
        summary = (
            f"{count_rows(manifest['tables'])} rows of {len(manifest['tables'])} tables, and {_files_text(manifest)}"
        )
        print(f"Backed up {summary}, to {folder}")
        return 0
    return 1


def write_backup(home: Home, environ: dict[str, str], folder: Path) -> dict[str, Any]:
    """Writes a new folder, which gets its name only when it is complete; returns the manifest. Raises the errors that
    `print_errors` prints."""
    partial_folder = folder.with_name(folder.name + PARTIAL_SUFFIX)
    if folder.exists():
        raise Refused(f"{folder} exists already; give the name of a new folder.")
    url, encryption_keys = _url(environ, "DATABASE_BACKUP_URL", "the role genba_backup"), read_encryption_keys(environ)
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(mode=0o700, parents=True)
    try:
        with running_database(home, environ), _new_file(partial_folder / DUMP, encryption_keys) as target:
            manifest = _dump(home, environ, url, target)
        manifest["files"] = None
        if attachments.files_folder(environ) is not None:
            with _new_file(partial_folder / FILES, encryption_keys) as target:
                manifest["files"] = attachments.pack(environ, target)
        with _new_file(partial_folder / MANIFEST, encryption_keys) as target:
            target.write(json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        sums = "".join(f"{_sha256(file)}  {file.name}\n" for file in sorted(partial_folder.iterdir()))
        with _new_file(partial_folder / CHECKSUMS, None) as target:
            target.write(sums.encode())
        partial_folder.rename(folder)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return manifest


def restore(home: Home, folder: Path) -> int:
    """`python -m stack restore FOLDER`: restores into an empty database, all or nothing, and compares the result with
    the manifest."""
    home.prepare()
    environ = environment(home)
    with print_errors():
        manifest = verify_backup(folder, environ)
        owner = _url(environ, "DATABASE_OWNER_URL", "the role genba_owner")
        reader = _url(environ, "DATABASE_BACKUP_URL", "the role genba_backup")
        attachments.refuse_unless_empty(environ, manifest["files"])
        with running_database(home, environ):
            tables = restore_dump(home, environ, owner, reader, folder, manifest)
        if manifest["files"]:
            with open_backup_file(folder, FILES, environ) as source:
                attachments.unpack(environ, manifest["files"], source)
        print(
            f"Restored {count_rows(tables)} rows of {len(tables)} tables, and {_files_text(manifest)}; "
            f"all the same as when it was backed up ({manifest['made_at']}, version {manifest['version']})."
        )
        return 0
    return 1


def restore_dump(
    home: Home, environ: dict[str, str], owner: str, reader: str, folder: Path, manifest: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Restores the dump into the empty database at these URLs; returns its table figures.

    Raises:
        Refused: the database is not empty, or differs from the backup.
    """
    _check_target(owner, reader)
    with open_backup_file(folder, DUMP, environ) as source:
        _run_program(home, environ, owner, "pg_restore", "--exit-on-error", "--single-transaction", source=source)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("ANALYZE")
    with psycopg.connect(reader) as connection:
        tables = contents.table_figures(connection)
    different = contents.differences(manifest["tables"], tables)
    if different:
        raise Refused("The restored database is not what was backed up:\n  " + "\n  ".join(different))
    return tables


def count_rows(tables: dict[str, dict[str, Any]]) -> int:
    return sum(int(table["rows"]) for table in tables.values())


def _dump(home: Home, environ: dict[str, str], url: str, target: sealing.Target) -> dict[str, Any]:
    """The dump, and the manifest of the same snapshot."""
    with psycopg.connect(url) as connection:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        if not contents.bypasses_row_security(connection):
            raise Refused(
                "DATABASE_BACKUP_URL connects as a role from which row-level security hides rows; the backup would be "
                "a part. Use the role genba_backup."
            )
        snapshot, server = connection.execute(
            "SELECT pg_export_snapshot(), current_setting('server_version')"
        ).fetchone() or ("", "")
        _run_program(home, environ, url, "pg_dump", "--format=custom", f"--snapshot={snapshot}", target=target)
        revision = connection.execute(contents.REVISION).fetchone()
        return {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "revision": revision[0] if revision else None,
            "postgresql": server,
            "tables": contents.table_figures(connection),
        }


def verify_backup(folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of a backup that is complete, unchanged, and not from a newer release."""
    if not (folder / CHECKSUMS).is_file():
        raise Refused(f"{folder} is not a whole backup: {CHECKSUMS} is missing.")
    sums = {
        name: digest
        for digest, _, name in (line.partition("  ") for line in (folder / CHECKSUMS).read_text().splitlines())
    }
    suffix = ENCRYPTED_SUFFIX if MANIFEST + ENCRYPTED_SUFFIX in sums else ""
    if not {MANIFEST + suffix, DUMP + suffix} <= sums.keys() <= {name + suffix for name in (MANIFEST, DUMP, FILES)}:
        raise Refused(f"{folder} is not a whole backup: {CHECKSUMS} does not name what it should.")
    for name, digest in sums.items():
        if not (folder / name).is_file():
            raise Refused(f"{folder} is not a whole backup: {name} is missing.")
        if _sha256(folder / name) != digest:
            raise Refused(f"{folder / name} has changed since it was backed up (its checksum differs); not restored.")
    with open_backup_file(folder, MANIFEST, environ) as source:
        manifest: dict[str, Any] = json.loads(source.read())
    if manifest["format"] != FORMAT:
        raise Refused(f"The backup is in format {manifest['format']}; this version reads {FORMAT}.")
    revision = manifest["revision"]
    if revision not in (baseline.RELEASE_REVISION, *migrations.release_revisions()):
        way = "Restore it with that version or a newer one."
        if revision and migrations.is_too_old(revision):
            way = f"Restore it with {baseline.RELEASE}, start that once, and back up again."
        raise Refused(
            f"The backup is of version {manifest['version']} with migration {revision}, "
            f"which this version does not know. {way}"
        )
    return manifest


def _check_target(owner: str, reader: str) -> None:
    with psycopg.connect(owner) as connection, psycopg.connect(reader) as reader_connection:
        if contents.database_identity(connection) != contents.database_identity(reader_connection):
            raise Refused("DATABASE_OWNER_URL and DATABASE_BACKUP_URL lead to two different databases.")
        if not contents.bypasses_row_security(reader_connection):
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


def _run_program(
    home: Home,
    environ: dict[str, str],
    url: str,
    program: str,
    *arguments: str,
    source: attachments.Source | None = None,
    target: sealing.Target | None = None,
) -> None:
    """Runs pg_dump into `target`, or pg_restore from `source`. The password is passed in the environment, because every
    user can read command lines."""
    folder = environ.get("POSTGRESQL_PROGRAMS")
    parameters: dict[str, Any] = conninfo_to_dict(url)
    password = str(parameters.pop("password", ""))
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [
                str((Path(folder) if folder else servers.bin_dir(home)) / program),
                *("--no-password", f"--dbname={make_conninfo(**parameters)}"),
                *arguments,
            ],
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C", "PGPASSWORD": password},
            stdin=subprocess.PIPE if source else subprocess.DEVNULL,
            stdout=subprocess.PIPE if target else subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            if source is not None and process.stdin is not None:
                # A program that ended early prints the reason itself.
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    _copy(source, process.stdin)
            if target is not None and process.stdout is not None:
                with process.stdout:
                    _copy(process.stdout, target)
            process.wait()
        finally:
            # Killed, so that it does not take a cut-off input for the whole.
            process.kill()
            process.wait()
        stderr.seek(0)
        if process.returncode:
            raise Refused(f"{program} failed:\n{stderr.read().decode(errors='replace').strip()}")


def _copy(source: attachments.Source, target: sealing.Target) -> None:
    while chunk := source.read(1024 * 1024):
        target.write(chunk)


def read_encryption_keys(environ: Mapping[str, str]) -> sealing.Keys | None:
    try:
        return sealing.parse_keys(environ.get("BACKUP_KEY", ""))
    except ValueError as error:
        raise Refused(str(error)) from None


@contextlib.contextmanager
def _new_file(file: Path, encryption_keys: sealing.Keys | None) -> Iterator[sealing.Target]:
    """A new file of the backup, encrypted when there is a key."""
    path = file if encryption_keys is None else file.with_name(file.name + ENCRYPTED_SUFFIX)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        if encryption_keys is None:
            yield handle
            return
        with sealing.Encryptor(handle, encryption_keys.public) as encrypted:
            yield encrypted


@contextlib.contextmanager
def open_backup_file(folder: Path, name: str, environ: Mapping[str, str]) -> Iterator[attachments.Source]:
    """Opens a file of the backup, decrypted if needed."""
    encrypted_file = folder / (name + ENCRYPTED_SUFFIX)
    if not encrypted_file.exists():
        with (folder / name).open("rb") as handle:
            yield handle
        return
    encryption_keys = read_encryption_keys(environ)
    try:
        with encrypted_file.open("rb") as handle, sealing.Decryptor(handle, encryption_keys) as decrypted:
            yield decrypted
    except sealing.NoMatchingKey:
        if encryption_keys is None:
            raise Refused(f"{folder} is sealed. Set BACKUP_KEY to the key that it was sealed with.") from None
        problem = "BACKUP_KEY does not open" if encryption_keys.secret else "BACKUP_KEY can only seal; it does not open"
        raise Refused(f"{problem} {folder}. Set it to the secret key (AGE-SECRET-KEY-1…) of that backup.") from None
    except sealing.InvalidFile as error:
        raise Refused(f"{encrypted_file} has changed since it was backed up: {error}; not restored.") from None


@contextlib.contextmanager
def print_errors() -> Iterator[None]:
    """Prints the error and ends the block."""
    try:
        yield
    except (Refused, RuntimeError, OSError, psycopg.Error) as error:
        print(str(error).strip())


def running_database(home: Home, environ: dict[str, str]) -> contextlib.AbstractContextManager[None]:
    return running_postgres(home) if is_embedded(environ, home)[0] else contextlib.nullcontext()


def _url(environ: dict[str, str], name: str, role: str) -> str:
    if not environ.get(name):
        raise Refused(f"{name} is missing: the address of the database as {role}.")
    return environ[name]


def _files_text(manifest: dict[str, Any]) -> str:
    return f"{manifest['files']['count']} files" if manifest["files"] else "no files"


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
