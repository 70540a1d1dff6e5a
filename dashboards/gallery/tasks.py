"""進捗: a task in each of its states."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dashboards.gallery.samples import SERVICE_DOWN, state
from dashboards.ui import tasks, times


def cards() -> None:
    started_at = times.now() - timedelta(minutes=3)
    examples: dict[str, tuple[str, dict[str, Any]]] = {
        "waiting": ("順番待ち", {"state": "waiting", "percent": None, "message": ""}),
        "running": (
            "実行中",
            {"state": "running", "percent": 42, "message": "10,000行のうち4,200行を取り込みました。"},
        ),
        "unknown": (
            "実行中（全体の量が分からないとき）",
            {"state": "running", "percent": None, "message": "PDFを作成しています。"},
        ),
        "done": (
            "完了",
            {
                "state": "done",
                "percent": 100,
                "message": "10,000行を取り込みました。",
                "result_url": "/app/static/samples/slip.svg",
            },
        ),
        "failed": (
            "失敗",
            {
                "state": "failed",
                "percent": 42,
                "message": "内容を確認しています。",
                "error": "4,201行目の電話番号が正しくありません。1行も取り込んでいません。",
            },
        ),
        "cancelled": ("中止", {"state": "cancelled", "percent": 42, "message": "取り込んだ行は元に戻しました。"}),
    }
    for number, (name, (title, task_fields)) in enumerate(examples.items()):
        task = {
            "id": number,
            "kind": "import",
            "title": "端末の取り込み（terminals.csv）",
            "error": None,
            "result_url": None,
            "can_cancel": task_fields["state"] in tasks.RUNNING,
            "can_resume": task_fields["state"] in ("failed", "cancelled"),
            "created_at": started_at.isoformat(),
            "started_at": None if task_fields["state"] == "waiting" else started_at.isoformat(),
            "finished_at": None if task_fields["state"] in tasks.RUNNING else times.now().isoformat(),
        } | task_fields
        with state(f"task.{name}", title):
            tasks.card(task, key=f"gallery_task_{name}", problem=SERVICE_DOWN if name == "waiting" else None)
