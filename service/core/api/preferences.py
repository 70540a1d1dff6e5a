"""The user's own preferences, which the dashboards read once per session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service.core.access.auth import SignedIn
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.users import preferences
from service.core.users.preferences import NewValue, Preferences
from service.core.values.messages import described

router = APIRouter(prefix="/api/me/preferences", tags=["auth"], responses=refusals(401, 403))

Name = Annotated[
    str,
    Path(
        pattern=described(
            r"^[a-z][a-z0-9_.-]{0,63}$",
            "半角の小文字の英字で始め、英数字と . _ - の64文字以内で入力してください（例: menu.areas）。",
        )
    ),
]


@router.get("")
def own_preferences(actor: SignedIn, db: Db) -> Preferences:
    return preferences.read(db, actor.user_id)


@router.put("/{name}", status_code=204, responses=refusals(400, 422))
def put_preference(actor: SignedIn, db: Db, name: Name, new: NewValue) -> None:
    preferences.put(db, actor.user_id, name, new.value)
