"""Refusals as application/problem+json: a title, a Japanese `detail` that tells the user what to do, `errors[]` by
field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from pydantic import BaseModel
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
INVALID_INPUT = "入力内容を確認してください。"


class FieldError(BaseModel):
    field: str
    message: str


class ProblemBody(BaseModel):
    """The body of every refusal."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    # Of a stale edit: the values that were sent, and the current ones.
    yours: dict[str, Any] | None = None
    current: dict[str, Any] | None = None


class Problem(Exception):
    """Raised anywhere below a route; the exception handler makes the response (`http.problem_responses`)."""

    status = 400
    title = "リクエストを処理できません"
    type = "about:blank"
    headers: ClassVar[Mapping[str, str]] = {}
    # A link for the user on HTML pages: the URL and its text.
    way_on: tuple[str, str] | None = None

    def __init__(self, detail: str, errors: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [FieldError(field=field, message=message) for field, message in errors]

    @classmethod
    def at_field(cls, field: str, message: str) -> Self:
        """The message is shown at its field."""
        return cls(message, [(field, message)])

    def body(self) -> bytes:
        body = ProblemBody(
            type=self.type,
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors,
            **self.extras(),
        )
        return body.model_dump_json(exclude_none=True).encode()

    def extras(self) -> dict[str, Any]:
        """Members of the body that only some problems have."""
        return {}

    def response(self) -> Response:
        return Response(self.body(), self.status, dict(self.headers), MEDIA_TYPE)


class Malformed(Problem):
    status, title = 400, "リクエストの形式が正しくありません"


class Unauthorized(Problem):
    status, title = 401, "ログインが必要です"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status, title = 403, "この操作の権限がありません"


class PasswordChangeNeeded(Forbidden):
    """Has a type of its own, so that a page can offer the password change."""

    title, type = "パスワードの変更が必要です", "urn:genba:password-change-needed"


class NotFound(Problem):
    """Also for what exists, but the user may not see."""

    status, title = 404, "見つかりません"


class MethodNotAllowed(Problem):
    status, title = 405, "この操作はできません"


class Conflict(Problem):
    status, title = 409, "ほかの変更とぶつかりました"


class Stale(Conflict):
    """A stale edit: the row was changed since it was read. The body has the values that were sent and the current
    ones."""

    type = "urn:genba:stale"

    def __init__(self, detail: str, *, yours: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.yours, self.current = dict(yours), dict(current)

    def extras(self) -> dict[str, Any]:
        return {"yours": self.yours, "current": self.current}


class TooLarge(Problem):
    status, title = 413, "データが大きすぎます"


class TooSlow(Problem):
    status, title = 408, "通信が途切れました"


class UnsupportedMedia(Problem):
    status, title = 415, "この形式のファイルは使えません"


class RangeNotSatisfiable(Problem):
    status, title = 416, "指定された範囲がありません"

    def __init__(self, detail: str, size: int) -> None:
        super().__init__(detail)
        self.size = size

    def response(self) -> Response:
        response = super().response()
        response.headers["Content-Range"] = f"bytes */{self.size}"
        return response


class WrongHost(Problem):
    status, title = 421, "このアドレスでは利用できません"


class TooMany(Problem):
    """Rate limit reached; `Retry-After` gives the seconds until the next try."""

    status, title = 429, "試行回数が上限に達しました"

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = max(1, math.ceil(seconds))

    def response(self) -> Response:
        response = super().response()
        response.headers["Retry-After"] = str(self.seconds)
        return response


class Invalid(Problem):
    status, title = 422, "入力内容を確認してください"


class WrongFields:
    """Collects what is wrong with several fields, so that a form shows all of it at once.

    wrong = WrongFields()
    with wrong.noted():
        check_phone(new.phone)
    with wrong.noted():
        check_time(new.starts_at)
    wrong.refuse()
    """

    def __init__(self, errors: Iterable[tuple[str, str]] = ()) -> None:
        self._refusals = [Invalid.at_field(*error) for error in errors]

    def __bool__(self) -> bool:
        return bool(self._refusals)

    def add(self, field: str, message: str) -> None:
        self._refusals.append(Invalid.at_field(field, message))

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Goes on after an Invalid at a field."""
        try:
            yield
        except Invalid as invalid:
            if type(invalid) is not Invalid or not invalid.errors:
                raise
            self._refusals.append(invalid)

    def refuse(self) -> None:
        """Raises the only refusal, or one with the fields of all."""
        if len(self._refusals) == 1:
            raise self._refusals[0]
        if self._refusals:
            errors = [(error.field, error.message) for refusal in self._refusals for error in refusal.errors]
            raise Invalid(INVALID_INPUT, errors)


class Unavailable(Problem):
    """Nothing was stored; the same request can be sent again after `Retry-After` seconds."""

    status, title = 503, "ただいま利用できません"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class Unexpected(Problem):
    status, title = 500, "予期しない問題が起きました"
