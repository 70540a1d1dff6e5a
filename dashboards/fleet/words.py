"""The words of 端末管理 with their colours and icons, the same on each of its pages."""

from __future__ import annotations

from dashboards.ui.status import Status

TERMINAL = {
    "online": Status("オンライン", "green", "check_circle"),
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "maintenance": Status("メンテナンス中", "gray", "build"),
}

ALERT = {
    "offline": Status("オフライン", "red", "cloud_off"),
    "error": Status("エラー", "orange", "error"),
    "high_cpu": Status("CPU使用率高", "orange", "speed"),
    "high_memory": Status("メモリ使用率高", "orange", "memory"),
    "update_failed": Status("更新失敗", "orange", "sync_problem"),
}
