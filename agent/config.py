"""The agent's settings: one TOML file, parsed into a dataclass; errors say what to correct."""

import base64
import binascii
import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.transport import UnsafeUrl, safe_service_url

FILE_NAME = "genba-agent.toml"
MIN_INTERVAL_SECONDS = 5.0
MAX_INTERVAL_SECONDS = 3600.0
PUBLIC_KEY_BYTES = 32
MAX_KEYS = 10


class ConfigError(Exception):
    """The settings cannot be used; the message is Japanese and names the file and the key."""


@dataclass(frozen=True)
class Settings:
    """The values of the settings file. All times are in seconds."""

    service_url: str
    serial_port: str
    state_dir: Path
    store_name: str | None = None
    heartbeat_seconds: float = 300.0
    start_spread_seconds: float = 30.0
    spool_limit: int = 2000
    disk_path: str = "C:\\" if os.name == "nt" else "/"
    serial_timeout_seconds: float = 1.0
    http_timeout_seconds: float = 10.0
    plug_poll_seconds: float = 5.0
    log_kilobytes: int = 1000
    # Raw Ed25519 keys; firmware signed by one of them may be installed.
    firmware_public_keys: tuple[bytes, ...] = ()


KEYS = tuple(Settings.__dataclass_fields__)


def default_config_path() -> Path:
    """`./genba-agent.toml` when it exists, else the platform's standard path."""
    local = Path(FILE_NAME)
    if local.exists():
        return local
    return _program_data() / FILE_NAME if os.name == "nt" else Path("/etc") / FILE_NAME


def default_state_dir() -> Path:
    """The platform's standard folder for the token and the spool."""
    if os.name == "nt":
        return _program_data() / "agent"
    if os.geteuid() == 0:
        return Path("/var/lib/genba-agent")
    return Path.home() / ".local/state/genba-agent"


def _program_data() -> Path:
    return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "Genba"


def load(path: Path) -> Settings:
    """Read the settings file. Raises ConfigError."""
    try:
        # utf-8-sig: the Windows editor adds a byte-order mark, which TOML does not allow.
        table = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"設定ファイル {path} が見つかりません。"
            "--config で場所を指定するか、agent/README.md の例から作成してください。"
        ) from None
    except OSError as error:
        raise ConfigError(f"設定ファイル {path} を読めません（{error.strerror}）。") from error
    except UnicodeDecodeError:
        raise ConfigError(
            f"設定ファイル {path} の文字コードが UTF-8 ではありません。UTF-8 で保存し直してください。"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"設定ファイル {path} の書き方に誤りがあります（{error}）。"
            "文字列は引用符で囲み、\\ を含むパスは 'C:\\...' のように一重引用符で囲んでください。"
        ) from None
    try:
        return _settings(table, path.absolute().parent)
    except ConfigError as error:
        raise ConfigError(f"設定ファイル {path}: {error}") from None


def _settings(table: Mapping[str, Any], folder: Path) -> Settings:
    for key in table:
        if key not in KEYS:
            similar = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"{similar[0]} の間違いではありませんか。" if similar else f"使える項目: {', '.join(KEYS)}"
            raise ConfigError(f"項目 {key} は使えません。{hint}")
    try:
        service_url = safe_service_url(_text(table, "service_url"))
    except UnsafeUrl as error:
        raise ConfigError(f"項目 service_url: {error}") from None
    default = Settings(service_url, _text(table, "serial_port"), default_state_dir())
    return Settings(
        service_url=default.service_url,
        serial_port=default.serial_port,
        # A relative folder is relative to the settings file, not to the working directory of the service manager.
        state_dir=folder / Path(_text(table, "state_dir", str(default.state_dir))).expanduser(),
        store_name=_text(table, "store_name", longest=100) if "store_name" in table else None,
        heartbeat_seconds=_number(
            table, "heartbeat_seconds", default.heartbeat_seconds, MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS
        ),
        start_spread_seconds=_number(table, "start_spread_seconds", default.start_spread_seconds, 0, 300),
        spool_limit=_whole_number(table, "spool_limit", default.spool_limit, 1, 100_000),
        disk_path=_text(table, "disk_path", default.disk_path),
        serial_timeout_seconds=_number(table, "serial_timeout_seconds", default.serial_timeout_seconds, 0.1, 10),
        http_timeout_seconds=_number(table, "http_timeout_seconds", default.http_timeout_seconds, 1, 60),
        plug_poll_seconds=_number(table, "plug_poll_seconds", default.plug_poll_seconds, 0.2, 60),
        log_kilobytes=_whole_number(table, "log_kilobytes", default.log_kilobytes, 10, 20_000),
        firmware_public_keys=_keys(table, "firmware_public_keys"),
    )


def _text(table: Mapping[str, Any], key: str, default: str | None = None, *, longest: int = 500) -> str:
    value = table.get(key, default)
    if value is None:
        raise ConfigError(f'項目 {key} がありません。{key} = "..." の行を追加してください。')
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f'項目 {key} は空でない文字列にしてください（例: {key} = "..."）。')
    if len(value) > longest:
        raise ConfigError(f"項目 {key} は {longest} 文字以内にしてください。")
    return value.strip()


def _number(table: Mapping[str, Any], key: str, default: float, lowest: float, highest: float) -> float:
    value = table.get(key, default)
    # bool is a subclass of int, but `heartbeat_seconds = true` is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ConfigError(f"項目 {key} は数値にしてください（例: {key} = {default:g}）。")
    if not lowest <= value <= highest:
        raise ConfigError(f"項目 {key} は {lowest:g} から {highest:g} の間にしてください（現在: {value}）。")
    return float(value)


def _whole_number(table: Mapping[str, Any], key: str, default: int, lowest: int, highest: int) -> int:
    value = _number(table, key, default, lowest, highest)
    if not value.is_integer():
        raise ConfigError(f"項目 {key} は整数にしてください（例: {key} = {default}）。")
    return int(value)


def _keys(table: Mapping[str, Any], key: str) -> tuple[bytes, ...]:
    values = table.get(key, [])
    if not isinstance(values, list) or len(values) > MAX_KEYS:
        raise ConfigError(f'項目 {key} は {MAX_KEYS} 個以内の文字列の並びにしてください（例: {key} = ["..."]）。')
    return tuple(_public_key(key, text) for text in values)


def _public_key(key: str, text: object) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != PUBLIC_KEY_BYTES:
        raise ConfigError(f"項目 {key}: {text} は Ed25519 公開鍵（{PUBLIC_KEY_BYTES} バイトの Base64）ではありません。")
    return raw
