"""Scratch: rules."""

from datetime import timedelta

from service.core.areas import ADMINISTRATOR_PERMISSIONS, Area, Role, Tick

READ = frozenset({"scratch:note:read"})
WRITE = frozenset({"scratch:note:update"})

AREA = Area(
    name="scratch",
    title="メモ",
    roles={
        "admin": Role("管理者", READ | WRITE | ADMINISTRATOR_PERMISSIONS),
        "sales": Role("営業", READ | WRITE, scope="agency"),
        "reader": Role("閲覧者", READ),
    },
    subjects={"note": "メモ"},
    fields={"text": "内容"},
    ticks={"scratch.tidy": Tick("メモの整理", timedelta(minutes=1), silence=timedelta(minutes=5))},
)
