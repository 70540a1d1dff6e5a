"""The command line in Japanese: shop staff and technicians read all commands, options and errors."""

import argparse
import re
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, NoReturn

from agent import __version__
from agent.config import FILE_NAME
from agent.simulator import ERRORS, KINDS, MAX_SECONDS, MAX_TERMINALS, SILENT
from agent.simulator.firmware_slots import RESTART_SECONDS, Fault
from agent.tc200 import MAX_FIRMWARE_CHARACTERS, MAX_SERIAL_CHARACTERS, MAX_TEXT_CHARACTERS

# argparse has no Japanese messages; these are its errors that users can cause here.
_MESSAGES = (
    (r"the following arguments are required: (.*)", r"次の指定が必要です: \1"),
    (r"unrecognized arguments: (.*)", r"不明な指定です: \1"),
    (r"argument (\S+): expected one argument", r"\1 には値が1つ必要です"),
    (r"argument (\S+): invalid choice: (\S+) .*", r"\1 に \2 は使えません"),
    (r"argument (\S+): (?:invalid \S+ value: )?(.*)", r"\1 の値が正しくありません: \2"),
    (r"ambiguous option: (\S+) .*", r"\1 は複数の指定に当てはまります"),
)


class _Parser(argparse.ArgumentParser):
    """ArgumentParser with Japanese messages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, add_help=False, allow_abbrev=False)
        self._positionals.title = "コマンド"
        self._optionals.title = "指定"
        self.add_argument("-h", "--help", action="help", help="この説明を表示して終了します")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "使い方:", 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "使い方:", 1)

    def error(self, message: str) -> NoReturn:
        for english, japanese in _MESSAGES:
            if re.fullmatch(english, message, re.DOTALL):
                message = re.sub(english, japanese, message, flags=re.DOTALL)
                break
        self.exit(2, f"{self.format_usage()}{self.prog}: {message}\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; ends the process with code 2 and a message when it is not valid."""
    parser = _Parser(
        prog="python -m agent", description="店舗PCのエージェント。TC-200とPCの状態を集め、サービスに送信します。"
    )
    parser.add_argument("--version", action="version", version=__version__, help="バージョンを表示して終了します")
    commands = parser.add_subparsers(dest="command", required=True, metavar="コマンド")

    enrol = _command(commands, "enrol", "登録コードを使って、この店舗PCの端末を登録します")
    _add_config(enrol)
    enrol.add_argument("--code", required=True, metavar="コード", help="サポートから受け取った登録コード")
    enrol.add_argument(
        "--serial",
        type=_text(MAX_SERIAL_CHARACTERS),
        metavar="番号",
        help="TC-200のシリアル番号（省略時はTC-200から読み取ります）",
    )
    _add_config(_command(commands, "run", "計測と送信を続けます（停止は Ctrl-C または SIGTERM）"))
    _add_config(_command(commands, "once", "1回だけ計測し、未送信のものをすべて送信します"))

    simulate = _command(commands, "simulate", "模擬のTC-200や端末群を動かします（このPCのサービスだけが相手です）")
    scenarios = simulate.add_subparsers(dest="scenario", required=True, metavar="シナリオ")
    _add_tc200(_command(scenarios, "tc200", "模擬のTC-200を仮想シリアルポートで動かします"))
    for name, description, add in (
        ("steady", "端末群がふだんどおり送信し続けます", _add_steady),
        ("storm", "障害から復旧した端末群が一斉に再接続します", _add_storm),
        ("outage", "1か所の端末が同時に沈黙し、まとめて復旧します", _add_outage),
        ("flapping", "一部の端末が接続と切断を繰り返します", _add_flapping),
        ("bad-firmware", "ファームウェア更新が一部の端末で失敗します", _add_bad_firmware),
        ("clock-skew", "一部の端末のPCの時計がずれています", _add_clock_skew),
        ("cloned-token", "一部の端末のトークンを2台が使います", _add_cloned_token),
    ):
        add(_command(scenarios, name, description))
    return parser.parse_args(arguments)


def _command(commands: "argparse._SubParsersAction[_Parser]", name: str, description: str) -> _Parser:
    return commands.add_parser(name, help=description, description=description + "。")


def _add_config(parser: _Parser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="ファイル", help=f"設定ファイル（省略時は ./{FILE_NAME}、なければOS標準の場所）"
    )


def _add_tc200(parser: _Parser) -> None:
    parser.add_argument(
        "--link", type=Path, required=True, metavar="パス", help="仮想シリアルポートへのリンクを作る場所"
    )
    parser.add_argument(
        "--serial", type=_text(MAX_SERIAL_CHARACTERS), default="TC200-000001", metavar="番号", help="シリアル番号"
    )
    parser.add_argument(
        "--firmware", type=_text(MAX_FIRMWARE_CHARACTERS), default="1.0.0", metavar="版", help="ファームウェアの版"
    )
    parser.add_argument(
        "--error",
        type=_text(MAX_TEXT_CHARACTERS),
        metavar="文",
        help="最初から報告する異常（省略時は正常。SIGUSR1 で異常の有無、SIGUSR2 で抜き差しを切り替えます）",
    )
    parser.add_argument(
        "--firmware-fault",
        choices=[fault.value for fault in Fault],
        metavar="種類",
        help="ファームウェア更新の失敗のしかた: " + "、".join(fault.value for fault in Fault),
    )
    parser.add_argument(
        "--restart",
        type=_number(0, 600),
        default=RESTART_SECONDS,
        metavar="秒",
        help=f"更新の再起動にかかる時間（既定: {RESTART_SECONDS:g}）",
    )


def _add_fleet(parser: _Parser) -> None:
    parser.add_argument("--service-url", required=True, metavar="URL", help="サービスのURL（このPC自身に限ります）")
    parser.add_argument("--code", required=True, metavar="コード", help="登録コード")
    parser.add_argument(
        "--terminals",
        type=_whole_number(1, MAX_TERMINALS),
        metavar="台数",
        help=f"端末の台数（{MAX_TERMINALS} まで。省略時は --stores-file の全台、それもなければ10台）",
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, metavar="フォルダー", help="トークンと通し番号の保存先"
    )
    parser.add_argument(
        "--prefix", type=_text(20), default="SIM", metavar="文字", help="シリアル番号の先頭（既定: SIM → SIM-000001）"
    )
    parser.add_argument(
        "--stores-file",
        type=Path,
        metavar="ファイル",
        help='演じる端末の一覧。JSON: [{"serial_number": …, "store_name": …}, …]',
    )
    _add_network(parser)


def _add_network(parser: _Parser) -> None:
    parser.add_argument(
        "--forwarded-for",
        type=_network,
        metavar="ネットワーク",
        help="X-Forwarded-For に入れる送信元（例: 60.0.0.0/8）。拠点ごとに次の /24 を使います（省略時は入れません）",
    )
    parser.add_argument(
        "--site-size",
        type=_whole_number(1, MAX_TERMINALS),
        default=1,
        metavar="台数",
        help="1つの拠点（/24）にまとめる台数（一覧の先頭から順に。既定: 1）",
    )


def _add_updates(parser: _Parser, failing: float, kinds: tuple[str, ...]) -> None:
    parser.add_argument(
        "--update-failures",
        type=_number(0, 1),
        default=failing,
        metavar="割合",
        help=f"ファームウェア更新が失敗する端末の割合（0〜1。既定: {failing:g}）",
    )
    parser.add_argument(
        "--update-failure-kinds",
        type=_kinds,
        default=kinds,
        metavar="種類,…",
        help=f"失敗のしかた（コンマ区切り。既定: {','.join(kinds)}。使える種類: {','.join(KINDS)}）",
    )
    parser.add_argument(
        "--update-seconds",
        type=_number(0, 3600),
        default=5.0,
        metavar="秒",
        help="取得後、更新にかかる時間（既定: 5）",
    )


def _add_day(parser: _Parser, *, failing: float = 0.0, kinds: tuple[str, ...] = KINDS) -> None:
    """A fleet that sends at an interval until it is stopped."""
    _add_fleet(parser)
    _add_updates(parser, failing, kinds)
    parser.add_argument("--interval", type=_number(1, 3600), default=300.0, metavar="秒", help="送信間隔（既定: 300）")
    parser.add_argument(
        "--seconds",
        type=_number(0, MAX_SECONDS),
        default=0.0,
        metavar="秒",
        help="動かす時間（既定の 0 は停止するまで）",
    )


def _add_steady(parser: _Parser) -> None:
    _add_day(parser)
    parser.add_argument(
        "--silent",
        type=_whole_number(0, MAX_TERMINALS),
        default=2,
        metavar="台数",
        help="最初の1回だけ送信して沈黙する台数（一覧の末尾から。既定: 2）",
    )
    parser.add_argument(
        "--erroring",
        type=_whole_number(0, MAX_TERMINALS),
        default=1,
        metavar="台数",
        help="異常を報告する台数（一覧の先頭から。既定: 1）",
    )


def _add_outage(parser: _Parser) -> None:
    _add_day(parser)
    _add_count(parser, "--down", 5, "沈黙する台数（一覧の先頭から）")
    _add_seconds(parser, "--after", 600.0, "沈黙するまでの時間")
    _add_seconds(parser, "--lasting", 1800.0, "沈黙している時間")
    _add_seconds(parser, "--within", 10.0, "全台が復旧するまでの時間")


def _add_flapping(parser: _Parser) -> None:
    _add_day(parser)
    _add_count(parser, "--down", 2, "接続と切断を繰り返す台数（一覧の先頭から）")
    _add_seconds(parser, "--up-seconds", 900.0, "接続している時間")
    _add_seconds(parser, "--down-seconds", 900.0, "切断している時間")


def _add_bad_firmware(parser: _Parser) -> None:
    _add_day(parser, failing=0.5, kinds=("device_refused", "wrong_version_after_restart", ERRORS, SILENT))


def _add_clock_skew(parser: _Parser) -> None:
    _add_day(parser)
    _add_count(parser, "--skewed", 2, "時計がずれている台数（一覧の先頭から）")
    parser.add_argument(
        "--skew-seconds",
        type=_number(-MAX_SECONDS, MAX_SECONDS),
        default=1200.0,
        metavar="秒",
        help="時計の進み（負の数は遅れ。既定: 1200）",
    )


def _add_cloned_token(parser: _Parser) -> None:
    _add_day(parser)
    _add_count(parser, "--cloned", 1, "複製された台数（一覧の先頭から）")


def _add_count(parser: _Parser, name: str, default: int, description: str) -> None:
    count = _whole_number(0, MAX_TERMINALS)
    parser.add_argument(name, type=count, default=default, metavar="台数", help=f"{description}（既定: {default}）")


def _add_seconds(parser: _Parser, name: str, default: float, description: str) -> None:
    seconds = _number(0.1, MAX_SECONDS)
    parser.add_argument(name, type=seconds, default=default, metavar="秒", help=f"{description}（既定: {default:g}）")


def _add_storm(parser: _Parser) -> None:
    _add_fleet(parser)
    _add_updates(parser, 0.0, KINDS)
    parser.add_argument(
        "--within", type=_number(0.1, 3600), default=60.0, metavar="秒", help="全台が再接続するまでの時間（既定: 60）"
    )
    parser.add_argument(
        "--seconds", type=_number(1, MAX_SECONDS), default=900.0, metavar="秒", help="あきらめるまでの時間（既定: 900）"
    )


def _text(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not 1 <= len(text.strip()) <= longest:
            raise argparse.ArgumentTypeError(f"1〜{longest} 文字で指定してください")
        return text.strip()

    return read


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError:
        raise argparse.ArgumentTypeError("60.0.0.0/8 の形で指定してください") from None


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(kind.strip() for kind in text.split(","))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{','.join(KINDS)} から選んでください")
    return kinds


def _number(lowest: float, highest: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{lowest:g}〜{highest:g} の数で指定してください")
        return value

    return read


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isdecimal() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"{lowest}〜{highest} の整数で指定してください")
        return int(text)

    return read
