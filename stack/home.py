"""The folders of one clone of Genba: data, sockets, logs and secrets."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A Unix socket path can have 107 bytes; PostgreSQL appends "/.s.PGSQL.5432", and Celery's broker its own name.
MAX_SOCKET_FOLDER_LENGTH = 80
SECRETS = ("superuser", "owner", "app", "backup", "secret_key", "watchdog", "card_key", "code_key")


@dataclass(frozen=True)
class Home:
    path: Path

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def pids(self) -> Path:
        return self.path / "pids"

    @property
    def sockets(self) -> Path:
        """Inside the home if the path is short enough, otherwise in the temp folder with a unique name."""
        inside = self.path / "sockets"
        if len(str(inside)) <= MAX_SOCKET_FOLDER_LENGTH:
            return inside
        return Path("/tmp") / f"genba-{os.getuid()}-{_digest(self.path)}"

    def prepare(self) -> None:
        """Creates the folders, and closes to other accounts what is in them."""
        if self.path.exists() and not self.is_ours():
            raise PermissionError(f"{self.path} holds something else. Set GENBA_HOME to an empty or a new folder.")
        self.path.mkdir(parents=True, exist_ok=True)
        account = server_account()
        if account and not reachable_by_others(self.path.parent):
            raise PermissionError(
                f"Started as root, PostgreSQL runs as the user nobody, who cannot reach {self.path}. "
                "Set GENBA_HOME to a folder that everybody can enter, or start as an ordinary user."
            )
        self.secrets()
        for folder in (self.path, self.valkey, self.logs, self.pids, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
            if folder.is_symlink():
                raise PermissionError(f"{folder} is a link; remove it or set GENBA_HOME.")
            # PostgreSQL creates its socket itself, so its account owns that folder.
            for_server = account is not None and folder == self.sockets
            if folder.stat().st_uid != os.getuid() and not (
                account and for_server and folder.stat().st_uid == account.pw_uid
            ):
                raise PermissionError(f"{folder} belongs to another user; remove it or set GENBA_HOME.")
            folder.chmod(0o700)
        if account:
            # PostgreSQL's account goes through it to its own folders.
            self.path.chmod(0o711)
        self._close_to_others()

    def _close_to_others(self) -> None:
        """What an earlier release, or a program with another umask, has left readable."""
        for entry in self.path.iterdir():
            mode = stat.S_IMODE(entry.lstat().st_mode)
            if mode & 0o077 and not entry.is_symlink():
                entry.chmod(mode & 0o700)

    def is_ours(self) -> bool:
        """Whether the folder is empty or was created by `prepare`: no other folder is ever changed or deleted."""
        return (self.path / "secrets.json").is_file() or not any(self.path.iterdir())

    def secrets(self) -> dict[str, str]:
        """Random per clone, created on first use: no program here has a default password."""
        file = self.path / "secrets.json"
        stored: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        created = {name: secrets.token_urlsafe(32) for name in SECRETS if name not in stored}
        if created:
            stored |= created
            # Written to another file and renamed: a later release adds names to a file with the keys to data.
            partial_file = file.with_suffix(".part")
            partial_file.unlink(missing_ok=True)
            with os.fdopen(os.open(partial_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
                json.dump(stored, handle)
            partial_file.rename(file)
        return stored


def home() -> Home:
    """`GENBA_HOME`, or `.genba` in the clone; as root, where PostgreSQL's account cannot reach the clone, /var/lib."""
    if os.environ.get("GENBA_HOME"):
        return Home(Path(os.environ["GENBA_HOME"]).resolve())
    if os.getuid() == 0 and not reachable_by_others(ROOT):
        return Home(Path("/var/lib/genba") / _digest(ROOT))
    return Home(ROOT / ".genba")


def reachable_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def server_account() -> pwd.struct_passwd | None:
    """The account of PostgreSQL, which refuses to run as root: `nobody` as root, otherwise our own (None)."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]
