"""Fault switches: what goes wrong in a vendor's operation, how often, until when.

Every request to a vendor goes through `Faults.handle_request`, which draws the faults, does the work or not, logs what
really happened, and returns the answer, or None when the connection must be aborted.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sandbox.store import Store

FaultKind = Literal["error", "delay", "late", "drop", "duplicate", "reorder"]
EVERY_OPERATION = "*"

A = TypeVar("A")


class Switch(BaseModel):
    """A switch to turn on. Without `count` it stays on until it is switched off."""

    model_config = ConfigDict(extra="forbid")

    vendor: str
    operation: str = EVERY_OPERATION
    kind: FaultKind
    # error: the HTTP status or SMTP code, the vendor's own error code, and the seconds of a Retry-After header.
    status: int = Field(500, ge=400, le=599)
    code: str = ""
    retry_after: int = Field(0, ge=0, le=3600)
    # error: whether the work is done nevertheless.
    done: bool = False
    # delay (before the work), late (between the work and the answer)
    seconds: float = Field(3, gt=0, le=120)
    # How many requests it hits, and the probability for each one. The same `seed` gives the same sequence of hits.
    count: int | None = Field(None, ge=1, le=10_000)
    probability: float = Field(1, gt=0, le=1)
    seed: int = 0


class ActiveSwitch(Switch):
    """A switch that is on. `remaining`: how many more requests it will hit."""

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
            "INSERT INTO faults (vendor, operation, kind, settings, remaining) VALUES (?, ?, ?, ?, ?) RETURNING id",
            [switch.vendor, switch.operation, switch.kind, switch.model_dump_json(), switch.count],
        ).fetchone()
        return int(row["id"])

    def switch_off(self, fault_id: int) -> bool:
        row = self._store.sql.execute("DELETE FROM faults WHERE id = ? RETURNING vendor, kind", [fault_id]).fetchone()
        if row is None:
            return False
        if row["kind"] == "reorder":
            self._store.release_held(row["vendor"])
        return True

    def active_switches(self) -> list[ActiveSwitch]:
        return [_active_switch(row) for row in self._store.sql.execute("SELECT * FROM faults ORDER BY id")]

    async def handle_request(
        self,
        vendor: str,
        operation: str,
        request: Mapping[str, Any],
        work: Callable[[bool], tuple[str, A]],
        error_answer: Callable[[ActiveSwitch], A],
        describe: Callable[[A], str],
    ) -> A | None:
        """Handles one request. `work(hold)` does the work once and returns what it did and the answer. `error_answer`
        makes the vendor's own error. `describe` makes the log text of an answer. Returns None when the connection must
        be aborted."""
        faults = self.draw(vendor, operation)
        fault_texts = [fault.in_words for fault in faults.values()]
        actions: list[str] = []
        try:
            if "delay" in faults:
                await asyncio.sleep(faults["delay"].seconds)
        except asyncio.CancelledError:
            self._store.add_log_entry(vendor, operation, request, fault_texts, actions, "相手が待たずに切断")
            raise
        with self._store.transaction():
            if "error" in faults:
                if faults["error"].done:
                    actions.append(work(False)[0])
                answer = error_answer(faults["error"])
            else:
                action, answer = work("reorder" in faults)
                actions.append(action)
                if "duplicate" in faults:
                    actions.append(work("reorder" in faults)[0])
            is_dropped = "drop" in faults
            self._store.add_log_entry(
                vendor, operation, request, fault_texts, actions, "応答せずに切断" if is_dropped else describe(answer)
            )
            self.switch_off_used_up(faults)
        if "late" in faults:
            await asyncio.sleep(faults["late"].seconds)
        return None if is_dropped else answer

    def switch_off_used_up(self, faults: Mapping[str, ActiveSwitch]) -> None:
        for fault in faults.values():
            if fault.remaining == 0:
                self.switch_off(fault.id)

    def draw(self, vendor: str, operation: str) -> dict[str, ActiveSwitch]:
        """The first switch of each kind that hits this request, counted down. After an error only a delay still
        matters.

        A switch for `webhook` also hits `webhook:refund.failed`.
        """
        rows = self._store.sql.execute(
            """SELECT * FROM faults WHERE vendor = ? AND operation IN (?, ?, ?) AND remaining IS NOT 0
            ORDER BY kind = 'error' DESC, id""",
            [vendor, operation, operation.partition(":")[0], EVERY_OPERATION],
        ).fetchall()
        faults: dict[str, ActiveSwitch] = {}
        for fault in map(_active_switch, rows):
            if fault.kind in faults or ("error" in faults and fault.kind != "delay"):
                continue
            seen, remaining = fault.seen + 1, fault.remaining
            # Reproducible on purpose, and not used for secrets.
            hit = random.Random(f"{fault.seed}:{seen}").random() < fault.probability
            if hit and remaining is not None:
                remaining -= 1
            self._store.sql.execute(
                "UPDATE faults SET seen = ?, remaining = ? WHERE id = ?", [seen, remaining, fault.id]
            )
            if hit:
                faults[fault.kind] = fault.model_copy(update={"seen": seen, "remaining": remaining})
        return faults


def _active_switch(row: Any) -> ActiveSwitch:
    settings = json.loads(row["settings"])
    return ActiveSwitch(**settings | {"id": row["id"], "remaining": row["remaining"], "seen": row["seen"]})
