"""What 探す finds of 代替機管理: devices by each number on their labels, and sites."""

from __future__ import annotations

from service.core.access.auth import Actor
from service.core.search.sources import ARCHIVED, Hit, Row, Source, State, address, detail
from service.loaners import queries
from service.loaners.devices import queries as devices
from service.loaners.history.rules import status_label

# What is archived is called 無効 here, and the list of sites has this choice for it.
INACTIVE, SHOW_INACTIVE = ARCHIVED._replace(label="無効"), {"archived": "無効のもの"}


def _device(_: Actor, row: Row) -> Hit:
    state = State(str(row["status"] or ""), status_label(row["status"]))
    return Hit(
        row["number"],
        detail(row["model_name"], row["serial"], row["site_name"]),
        address("/loaners-device", {"number": row["number"]}),
        INACTIVE if row["archived_at"] else state,
    )


def _site(_: Actor, row: Row) -> Hit:
    shown = SHOW_INACTIVE if row["archived_at"] else {}
    return Hit(
        row["name"],
        detail(row["key"], row["code"], row["jurisdiction"], f"機器 {row['devices']:,}台"),
        address("/loaners-masters", {"q": row["key"]}, shown),
        INACTIVE if row["archived_at"] else None,
    )


SEARCH = (
    Source(
        key="loaners.device",
        title="機器",
        permission="loaners:device:read",
        listing=devices.DEVICES,
        hit=_device,
        terms=("device", "alias"),
        page="/loaners",
    ),
    Source(
        key="loaners.site",
        title="拠点",
        permission="loaners:master:read",
        listing=queries.SITES,
        hit=_site,
        terms=("site",),
        page="/loaners-masters",
    ),
)
