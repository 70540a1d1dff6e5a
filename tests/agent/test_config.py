"""The settings file, and the errors when it is wrong."""

from pathlib import Path

import pytest

from agent.config import KEYS, ConfigError, default_config_path, load
from agent.transport import UnsafeUrl, safe_service_url

GOOD = 'service_url = "https://tms.example.jp/"\nserial_port = "COM3"\n'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "genba-agent.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_two_lines_are_enough_and_a_relative_state_dir_starts_at_the_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path, GOOD + 'state_dir = "state"\n'))
    assert settings.service_url == "https://tms.example.jp"
    assert settings.state_dir == tmp_path / "state"
    assert (settings.heartbeat_seconds, settings.spool_limit) == (300, 2000)


def test_a_file_from_the_windows_editor_is_read(tmp_path: Path) -> None:
    assert load(write(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())).serial_port == "COM3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('serial_port = "COM3"', "項目 service_url がありません"),
        ('service_url = "https://a.example"', "項目 serial_port がありません"),
        (GOOD + "heartbeat_second = 60", "heartbeat_seconds の間違いではありませんか"),
        (GOOD + "zzz = 60", "使える項目"),
        (GOOD + 'heartbeat_seconds = "60"', "数値にしてください"),
        (GOOD + "heartbeat_seconds = true", "数値にしてください"),
        (GOOD + "heartbeat_seconds = nan", "数値にしてください"),
        (GOOD + "heartbeat_seconds = 1", "5 から 3600 の間"),
        (GOOD + "spool_limit = 1.5", "整数にしてください"),
        (GOOD + "store_name = 5", "空でない文字列"),
        (GOOD + 'store_name = ""', "空でない文字列"),
        ('service_url = "http://tms.example.jp"\nserial_port = "COM3"', "https:// で始まるURL"),
        (GOOD + 'state_dir = "C:\\Program"', "書き方に誤り"),
        (GOOD.encode() + 'store_name = "新宿"'.encode("cp932"), "UTF-8 ではありません"),
    ],
)
def test_a_wrong_setting_is_refused_in_japanese_with_file_and_key(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="見つかりません。--config で場所を指定"):
        load(tmp_path / "none.toml")


def test_the_file_in_the_current_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_config_path().is_absolute()
    write(tmp_path, GOOD)
    assert default_config_path() == Path("genba-agent.toml")


@pytest.mark.parametrize(
    "url",
    ["https://tms.example.jp", "http://127.0.0.1:8000", "http://127.9.9.9", "http://localhost:8000", "http://[::1]:80"],
)
def test_https_and_this_machine_itself_are_allowed(url: str) -> None:
    assert safe_service_url(url + "/") == url.removesuffix(":80")


@pytest.mark.parametrize(
    "url",
    [
        "http://tms.example.jp",
        "http://192.168.0.5:8000",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://localhost.example.jp",
        "http://127.0.0.1.example.jp",
        "http://127.0.0.1\\@example.jp",
        "http://127.0.0.1@example.jp",
        "http://0177.0.0.1",
        "https://user:password@tms.example.jp",
        "https://tms.example.jp/?q=1",
        "ftp://127.0.0.1",
        "tms.example.jp",
        "https://",
        "",
    ],
)
def test_plain_http_to_another_machine_and_odd_addresses_are_refused_in_japanese(url: str) -> None:
    with pytest.raises(UnsafeUrl, match="URL"):
        safe_service_url(url)


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(__file__).resolve().parents[2] / "agent/README.md").read_text(encoding="utf-8")
    assert [key for key in KEYS if f"| `{key}` |" not in readme] == []
