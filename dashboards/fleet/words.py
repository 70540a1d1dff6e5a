"""The labels of 端末管理 with their colours and icons, the same on each page."""

from __future__ import annotations

from dashboards.ui.status import Status

TERMINAL = {
    "online": Status("オンライン", "green", "check_circle"),
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "maintenance": Status("メンテナンス中", "gray", "build"),
}
# How the hours of a terminal's day are divided.
DAY = TERMINAL | {"closed": Status("閉店中", "blue", "storefront")}

ALERT = {
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "high_cpu": Status("CPU使用率高", "orange", "speed"),
    "high_memory": Status("メモリ使用率高", "orange", "memory"),
    "update_failed": Status("更新失敗", "orange", "sync_problem"),
}

ROLLOUT = {
    "draft": Status("下書き", "gray", "edit_note"),
    "running": Status("配信中", "blue", "sync"),
    "paused": Status("一時停止中", "orange", "pause_circle"),
    "aborted": Status("中止", "gray", "cancel"),
    "finished": Status("完了", "green", "check_circle"),
}

CONTRACT = {"basic": "ベーシック保守", "standard": "スタンダード保守", "premium": "プレミアム保守"}

COMMANDS = {
    "diagnose": "リモート診断",
    "send_bundle": "診断ファイルの取得",
    "rotate_token": "トークンの更新",
    "update_firmware": "ファームウェアの更新",
}
COMMAND_STATES = {
    "waiting": Status("送信待ち", "gray", "schedule"),
    "accepted": Status("受付済み", "blue", "move_to_inbox"),
    "running": Status("実行中", "blue", "autorenew"),
    "done": Status("完了", "green", "check_circle"),
    "failed": Status("失敗", "red", "error"),
    "cancelled": Status("取り消し", "gray", "cancel"),
    "expired": Status("期限切れ", "orange", "timer_off"),
}
OPEN_COMMANDS = ("waiting", "accepted", "running")

PHASES = {
    "now": Status("実施中", "blue", "build"),
    "next": Status("予定", "gray", "event"),
    "past": Status("終了", "green", "check_circle"),
}

FATES = {"repair": "修理に出す", "stock": "在庫に戻す", "scrapped": "廃棄する"}

CODES = {
    "valid": Status("有効", "green", "check_circle"),
    "used_up": Status("使用済み", "gray", "done_all"),
    "expired": Status("期限切れ", "orange", "timer_off"),
    "revoked": Status("失効", "red", "block"),
}
