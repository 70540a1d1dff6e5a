"""How a roll-out goes forward, and what stops it."""

from __future__ import annotations

from enum import StrEnum


class RolloutState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    FINISHED = "finished"


class TaskState(StrEnum):
    """`offered`: the agent is told; `updating`: it has begun; `proving`: the new version was seen, now it must hold."""

    WAITING = "waiting"
    OFFERED = "offered"
    UPDATING = "updating"
    PROVING = "proving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = (TaskState.OFFERED, TaskState.UPDATING, TaskState.PROVING)
