"""What a diagnosis means: whether the PC or the terminal is the cause, the next step, and what to tell the merchant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.contract.fleet import Diagnosis, OpenAlert, TerminalDetail
from dashboards.ui import times


@dataclass(frozen=True)
class Advice:
    """`side` is where the cause is; `ask` is what the merchant is asked to check, in this order."""

    tone: Literal["success", "info", "error"]
    side: str
    what: str
    next_step: str | None
    ask: tuple[str, ...] = ()


_POWER = "店舗PCの電源が入っているかご確認ください。切れている場合は電源を入れてください。"
_CABLE = "店舗PCのLANケーブルまたはWi-Fiの接続をご確認ください。"
_ROUTER = "ルーターの電源ランプをご確認ください。消えている場合は、電源を入れ直してください。"

ADVICE = {
    "well": Advice(
        "success",
        "異常なし",
        "正常に動作しています。",
        None,
        ("いまお困りの症状をお聞かせください。",),
    ),
    "never_heard": Advice(
        "info",
        "設置前",
        "まだ一度も通信がありません。",
        "店舗PCにエージェントを導入し、登録コードで登録してください。",
        ("店舗PCの設置とエージェントの導入が済んでいるかご確認ください。",),
    ),
    "shut_down": Advice(
        "info",
        "店舗PC側",
        "店舗PCは正常な手順で終了しています。故障ではありません。",
        "営業時間中であれば、店舗PCの電源を入れてもらってください。",
        ("店舗PCの電源を入れてください。",),
    ),
    "closed": Advice(
        "info",
        "営業時間外",
        "通信はありませんが、学習した営業時間の外です。",
        "対応は必要ありません。開店時刻を過ぎても通信がなければ、アラートを通知します。",
        ("営業時間中であれば、店舗PCの電源を入れてください。",),
    ),
    "pc_silent": Advice(
        "error",
        "店舗PC側",
        "店舗PCからの通信が途絶えています。",
        "店舗に電話し、店舗PCの電源とネットワークを確認してもらってください。",
        (_POWER, _CABLE, "画面が固まっている場合は、店舗PCを再起動してください。"),
    ),
    "store_silent": Advice(
        "error",
        "店舗の電源・回線側",
        "店舗のすべての店舗PCからの通信が途絶えています。",
        "店舗に電話し、停電の有無とルーターを確認してもらってください。",
        ("店内が停電していないかご確認ください。", _ROUTER, _CABLE),
    ),
    "network_silent": Advice(
        "error",
        "通信回線側",
        "同じ回線を使うほかの店舗でも、通信が途絶えています。",
        "通信事業者の障害情報を確認し、顧客へ回線障害の可能性を連絡してください。",
        ("ほかの機器でインターネットにつながるかご確認ください。", _ROUTER),
    ),
    "cloned": Advice(
        "error",
        "エージェント側",
        "2台の店舗PCが同じトークンで通信しています。",
        "店舗PCを複製していないか確認し、トークンを失効させてから正しい1台を登録し直してください。",
        ("最近、店舗PCを入れ替えたり複製したりしていないかお聞かせください。",),
    ),
    "terminal_unplugged": Advice(
        "error",
        "TC-200側",
        "店舗PCは通信していますが、TC-200とつながっていません。",
        "店舗に電話し、TC-200のUSBケーブルと電源を確認してもらってください。",
        (
            "TC-200の電源が入っているかご確認ください。",
            "TC-200と店舗PCをつなぐUSBケーブルを、両側とも一度抜いて差し直してください。",
            "直らない場合は、店舗PCの別のUSB差込口に差してください。",
        ),
    ),
    "other_terminal": Advice(
        "error",
        "TC-200側",
        "登録と異なるシリアル番号のTC-200がつながっています。",
        "本体を入れ替えた場合は「端末を交換する」で登録し、誤接続の場合は元のTC-200に戻してもらってください。",
        ("TC-200の裏面に記載のシリアル番号をお聞かせください。", "最近、TC-200を入れ替えていないかお聞かせください。"),
    ),
    "terminal_error": Advice(
        "error",
        "TC-200側",
        "店舗PCは通信していますが、TC-200がエラーを報告しています。",
        "エラー内容を確認してリモート診断を行い、直らなければTC-200の再起動を依頼してください。",
        (
            "TC-200の画面に表示されている内容をお聞かせください。",
            "TC-200の電源を切り、30秒待ってから入れ直してください。",
        ),
    ),
}
# When the terminal is online and works, an open alert names the problem.
ALERTED = {
    "high_cpu": Advice(
        "error",
        "店舗PC側",
        "通信は正常ですが、店舗PCのCPU使用率が高い状態です。",
        "リモート診断を行い、店舗PCで負荷の高いプログラムが動いていないか確認してください。",
        ("店舗PCで使っていないプログラムを終了してください。", "直らない場合は、店舗PCを再起動してください。"),
    ),
    "high_memory": Advice(
        "error",
        "店舗PC側",
        "通信は正常ですが、店舗PCのメモリ使用率が高い状態です。",
        "リモート診断を行い、店舗PCでメモリを多く使うプログラムが動いていないか確認してください。",
        ("店舗PCで使っていないプログラムを終了してください。", "直らない場合は、店舗PCを再起動してください。"),
    ),
    "update_failed": Advice(
        "error",
        "TC-200側",
        "通信は正常ですが、ファームウェアの更新に失敗しています。",
        "リモート診断を行い、失敗の理由を確認してから更新をやり直してください。",
        ("TC-200の電源とUSBケーブルを抜かずにお待ちください。",),
    ),
}
SILENT = ("shut_down", "closed", "pc_silent", "store_silent", "network_silent")
UNKNOWN = Advice("info", "不明", "状況を判定できません。", "リモート診断を行ってください。")


def advice(terminal: TerminalDetail) -> Advice | None:
    """None for an archived terminal."""
    diagnosis = terminal["diagnosis"]
    if not diagnosis:
        return None
    alert = _only_alert(terminal)
    return ALERTED[alert["alert_type"]] if alert else ADVICE.get(diagnosis["finding"], UNKNOWN)


def _only_alert(terminal: TerminalDetail) -> OpenAlert | None:
    """The oldest alert of a terminal without any other problem."""
    if not terminal["diagnosis"] or terminal["diagnosis"]["finding"] != "well":
        return None
    return next((alert for alert in terminal["alerts"] if alert["alert_type"] in ALERTED), None)


def place_text(terminal: TerminalDetail) -> str:
    return f"{terminal['customer']['company_name']} - {terminal['store_name']}"


def is_silent(terminal: TerminalDetail) -> bool:
    diagnosis = terminal["diagnosis"]
    return diagnosis is not None and diagnosis["finding"] in SILENT


def since_text(terminal: TerminalDetail) -> str:
    """When it began; for silence, the last heartbeat."""
    state = terminal["state"]
    if state["last_heartbeat_at"] is None:
        return ""
    if is_silent(terminal):
        last_heartbeat = times.parse(state["last_heartbeat_at"])
        return f"最終通信は{times.full(last_heartbeat)}（{times.ago(last_heartbeat)}）です。"
    alert = _only_alert(terminal)
    started_at = times.parse(alert["created_at"] if alert else state["since"])
    return f"{times.full(started_at)}（{times.ago(started_at)}）から続いています。"


def neighbours_text(diagnosis: Diagnosis) -> str:
    """Whether other terminals of the store and the network are online: it separates a PC problem from one of the store
    or the network."""
    texts = []
    for label, counts in (("同じ店舗", diagnosis["store"]), ("同じ回線のほかの店舗", diagnosis["network"])):
        others, silent = counts["others"], counts["silent"]
        if not others:
            continue
        if not silent:
            texts.append(f"{label}の{others:,}台は通信しています。")
        else:
            texts.append(f"{label}の{others:,}台のうち{silent:,}台が途絶えています。")
    return "".join(texts)


def status_text(terminal: TerminalDetail) -> str:
    """The headline's text: what is wrong and where, since when, and the next step."""
    if terminal["archived_at"]:
        archived_at = times.stamp(terminal["archived_at"])
        return f"この端末は{archived_at}にアーカイブされました。履歴だけを表示しています。"
    advised, diagnosis = advice(terminal) or UNKNOWN, terminal["diagnosis"]
    side = (
        "" if advised.side in ("異常なし", "設置前", "営業時間外", "不明") else f"原因は{advised.side}と考えられます。"
    )
    others_text = neighbours_text(diagnosis) if diagnosis and is_silent(terminal) else ""
    return f"{advised.what}{side}{since_text(terminal)}{others_text}{next_step_text(advised)}"


def next_step_text(advised: Advice) -> str:
    return f"次の対応: {advised.next_step}" if advised.next_step else "対応は必要ありません。"


def merchant_text(terminal: TerminalDetail) -> str:
    """A text to read out or to paste into a mail."""
    advised = advice(terminal)
    if advised is None:
        return ""
    state = terminal["state"]
    last_heartbeat_at = state["last_heartbeat_at"]
    lines = [
        f"{terminal['customer']['company_name']} {terminal['customer']['contact_person']} 様",
        "",
        f"{terminal['store_name']}のTC-200（シリアル番号 {terminal['serial_number']}）について、ご連絡いたします。",
        f"状況: {advised.what}",
    ]
    if state["error"]:
        lines.append(f"エラー内容: {state['error']}")
    if last_heartbeat_at:
        lines.append(f"最後に通信できた日時: {times.stamp(last_heartbeat_at)}")
    if advised.ask:
        lines += ["", "お手数ですが、次の点をお願いいたします。"]
        lines += [f"{number}. {request}" for number, request in enumerate(advised.ask, 1)]
    return "\n".join(lines)
