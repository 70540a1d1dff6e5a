"""Fault switches: what goes wrong at a vendor's door, how often, until when. They live in the store's file.

Every door of every vendor is passed by `Faults.passing`, which draws what goes wrong, does the work or not, writes
down what truly happened, and hands back the answer, or None for a connection that is to be cut.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tests.sandbox.store import Store

Kind = Literal["error", "delay", "late", "drop", "duplicate", "reorder"]
EVERY_DOOR = "*"

A = TypeVar("A")


class Switch(BaseModel):
    """A switch to set. Without `count` it stays until it is switched off."""

    model_config = ConfigDict(extra="forbid")

    vendor: str
    door: str = EVERY_DOOR
    kind: Kind
    # error: the HTTP status or SMTP code, the vendor's own name for it, and the seconds of a Retry-After.
    status: int = Field(500, ge=400, le=599)
    code: str = ""
    retry_after: int = Field(0, ge=0, le=3600)
    # error: whether it was done all the same.
    done: bool = False
    # delay (before the work), late (between the work and the answer)
    seconds: float = Field(3, gt=0, le=120)
    # How many requests it hits; of how many, by a die that `seed` makes fall the same way each time.
    count: int | None = Field(None, ge=1, le=10_000)
    probability: float = Field(1, gt=0, le=1)
    seed: int = 0


class Set(Switch):
    """A switch that is on. `remaining`: how many requests it will still hit."""

    id: int
    remaining: int | None
    seen: int

    @property
    def in_words(self) -> str:
        code, done = f"（{self.code}）" if self.code else "", "（処理はする）" if self.done else ""
        what = {
            "error": f"エラー {self.status}{code}{done}",
            "delay": f"{self.seconds:g}秒遅らせる",
            "late": f"処理してから、{self.seconds:g}秒後に応答する",
            "drop": "処理してから応答せずに切断",
            "duplicate": "2回処理する",
            "reorder": "止めておき、逆順に届ける",
        }[self.kind]
        return what if self.probability == 1 else f"{what}（確率 {self.probability:.0%}）"

    @property
    def until(self) -> str:
        return "解除するまで" if self.remaining is None else f"あと{self.remaining}回"


class Faults:
    def __init__(self, store: Store) -> None:
        self._store = store

    def switch_on(self, switch: Switch) -> int:
        row = self._store.sql.execute(
            "INSERT INTO faults (vendor, door, kind, settings, remaining) VALUES (?, ?, ?, ?, ?) RETURNING id",
            [switch.vendor, switch.door, switch.kind, switch.model_dump_json(), switch.count],
        ).fetchone()
        return int(row["id"])

    def switch_off(self, fault_id: int) -> bool:
        row = self._store.sql.execute("DELETE FROM faults WHERE id = ? RETURNING vendor, kind", [fault_id]).fetchone()
        if row is None:
            return False
        if row["kind"] == "reorder":
            self._store.release(row["vendor"])
        return True

    def switched_on(self) -> list[Set]:
        return [_set(row) for row in self._store.sql.execute("SELECT * FROM faults ORDER BY id")]

    async def passing(
        self,
        vendor: str,
        door: str,
        request: Mapping[str, Any],
        work: Callable[[bool], tuple[str, A]],
        refuse: Callable[[Set], A],
        in_words: Callable[[A], str],
    ) -> A | None:
        """`work(hold)` does what was asked, once, and says what it did; `refuse` is the vendor's own error."""
        drawn = self.draw(vendor, door)
        names = [fault.in_words for fault in drawn.values()]
        done: list[str] = []
        try:
            if "delay" in drawn:
                await asyncio.sleep(drawn["delay"].seconds)
        except asyncio.CancelledError:
            self._store.note(vendor, door, request, names, done, "相手が待たずに切断")
            raise
        with self._store.whole():
            if "error" in drawn:
                if drawn["error"].done:
                    done.append(work(False)[0])
                answer = refuse(drawn["error"])
            else:
                did, answer = work("reorder" in drawn)
                done.append(did)
                if "duplicate" in drawn:
                    done.append(work("reorder" in drawn)[0])
            cut = "drop" in drawn
            self._store.note(vendor, door, request, names, done, "応答せずに切断" if cut else in_words(answer))
            self.end_those_used_up(drawn)
        if "late" in drawn:
            await asyncio.sleep(drawn["late"].seconds)
        return None if cut else answer

    def end_those_used_up(self, drawn: Mapping[str, Set]) -> None:
        for fault in drawn.values():
            if fault.remaining == 0:
                self.switch_off(fault.id)

    def draw(self, vendor: str, door: str) -> dict[str, Set]:
        """The first switch of each kind that hits this request, counted down. After an error nothing else matters.

        A switch at `webhook` hits `webhook:refund.failed` too."""
        rows = self._store.sql.execute(
            """SELECT * FROM faults WHERE vendor = ? AND door IN (?, ?, ?) AND remaining IS NOT 0
            ORDER BY kind = 'error' DESC, id""",
            [vendor, door, door.partition(":")[0], EVERY_DOOR],
        ).fetchall()
        drawn: dict[str, Set] = {}
        for fault in map(_set, rows):
            if fault.kind in drawn or ("error" in drawn and fault.kind != "delay"):
                continue
            seen, remaining = fault.seen + 1, fault.remaining
            # The die is for tests of faults, not for secrets.
            hit = random.Random(f"{fault.seed}:{seen}").random() < fault.probability
            if hit and remaining is not None:
                remaining -= 1
            self._store.sql.execute(
                "UPDATE faults SET seen = ?, remaining = ? WHERE id = ?", [seen, remaining, fault.id]
            )
            if hit:
                drawn[fault.kind] = fault.model_copy(update={"seen": seen, "remaining": remaining})
        return drawn


def _set(row: Any) -> Set:
    settings = json.loads(row["settings"])
    return Set(**settings | {"id": row["id"], "remaining": row["remaining"], "seen": row["seen"]})
