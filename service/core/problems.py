"""Refusals as application/problem+json: a title, a Japanese `detail` a person can act on, `errors[]` per field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.core.pages import shell

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class FieldError(BaseModel):
    field: str
    message: str


class ProblemBody(BaseModel):
    """The shape of every refusal."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    # Of a stale edit: what was sent, and what is there now.
    yours: dict[str, Any] | None = None
    current: dict[str, Any] | None = None


class Problem(Exception):
    """Raised anywhere below a door; the door answers it."""

    status = 400
    title = "リクエストを処理できません"
    type = "about:blank"
    headers: ClassVar[Mapping[str, str]] = {}
    # Where a person can go on, on pages: the address and what the link says.
    way_on: tuple[str, str] | None = None

    def __init__(self, detail: str, errors: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [FieldError(field=field, message=message) for field, message in errors]

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
    """Known by its type, so that a page can offer the way out."""

    title, type = "パスワードの変更が必要です", "urn:genba:password-change-needed"


class NotFound(Problem):
    """Absent and not-yours alike."""

    status, title = 404, "見つかりません"


class MethodNotAllowed(Problem):
    status, title = 405, "この操作はできません"


class Conflict(Problem):
    status, title = 409, "ほかの変更とぶつかりました"


class Stale(Conflict):
    """The row was changed since it was read. The answer carries both sides: what was sent, what is there now."""

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
    """Tried too often; `Retry-After` says, in seconds, when to try again."""

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


class Unavailable(Problem):
    """Nothing was stored; the same request may be sent again after `Retry-After` seconds."""

    status, title = 503, "ただいま利用できません"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class Unexpected(Problem):
    status, title = 500, "予期しない問題が起きました"


def answer(path: str, problem: Problem) -> Response:
    """A page for people on public paths, problem+json for programs on all others."""
    if not shell.is_page(path):
        return problem.response()
    response = shell.notice(
        problem.status,
        path=path,
        title=problem.title,
        text=problem.detail,
        retry=isinstance(problem, Unavailable),
        way_on=problem.way_on,
    )
    said = problem.response().headers
    response.headers.update({name: said[name] for name in said if not name.startswith("content-")})
    return response


# pydantic's error types in the words of the people who read them; {…} are the error's own limits.
MESSAGES = {
    "missing": "必須の項目です。",
    "extra_forbidden": "使えない項目です。",
    "too_short": "{min_length}件以上を指定してください。",
    "too_long": "{max_length}件以内で指定してください。",
    "string_type": "文字列で指定してください。",
    "string_too_short": "{min_length}文字以上で入力してください。",
    "string_too_long": "{max_length}文字以内で入力してください。",
    "string_pattern_mismatch": "使えない文字が含まれているか、形式が正しくありません。",
    "int_type": "整数で指定してください。",
    "int_parsing": "整数で指定してください。",
    "int_from_float": "整数で指定してください。",
    "float_type": "数値で指定してください。",
    "float_parsing": "数値で指定してください。",
    "finite_number": "数値で指定してください。",
    "bool_type": "true か false で指定してください。",
    "bool_parsing": "true か false で指定してください。",
    "greater_than_equal": "{ge}以上の値を指定してください。",
    "greater_than": "{gt}より大きい値を指定してください。",
    "less_than_equal": "{le}以下の値を指定してください。",
    "less_than": "{lt}より小さい値を指定してください。",
    "enum": "選べる値は {expected} です。",
    "literal_error": "選べる値は {expected} です。",
    "uuid_type": "UUIDで指定してください。",
    "uuid_parsing": "UUIDで指定してください。",
    "datetime_type": "日時（ISO 8601）で指定してください。",
    "datetime_parsing": "日時（ISO 8601）で指定してください。",
    "datetime_from_date_parsing": "日時（ISO 8601）で指定してください。",
    "timezone_aware": "タイムゾーン付きの日時で指定してください。",
    "date_parsing": "日付で指定してください。",
    "date_from_datetime_parsing": "日付で指定してください。",
    "model_type": "JSONのオブジェクトで指定してください。",
    "model_attributes_type": "JSONのオブジェクトで指定してください。",
    "json_invalid": "JSONとして読み取れません。",
    "value_error": "{reason}",
}


# A field of a model; what is none was made up by the sender, and may be anything.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _place(error: Mapping[str, Any]) -> str:
    """Where it is. A field that nobody knows is not repeated unless it is a name: a secret may stand there."""
    is_unknown = error["type"] == "extra_forbidden"
    parts = [str(part) for part in error["loc"]]
    # Where FastAPI looked. A field may have such a name, too.
    if parts[:1] in (["body"], ["query"], ["path"]) and (len(parts) > 1 or not is_unknown):
        del parts[0]
    if is_unknown and not _NAME.fullmatch(parts[-1]):
        parts[-1] = "?"
    return ".".join(parts)


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """pydantic's errors as (field, Japanese message)."""
    found = []
    for error in errors:
        place = _place(error)
        values = dict(error.get("ctx") or {})
        values["reason"] = str(values.get("error", ""))
        kind = error["type"]
        if kind in ("too_short", "too_long") and isinstance(error.get("input"), str):  # a secret's characters
            kind = f"string_{kind}"
        found.append((place, MESSAGES.get(kind, "値が正しくありません。").format_map(values)))
    return found


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    listed = list(errors)
    if any(error["type"] == "json_invalid" for error in listed):
        return Malformed("本文をJSONとして読み取れません。送信側のプログラムを確認してください。")
    fields = field_errors(listed)
    named = "、".join(field for field, _ in fields[:5] if field)
    return Invalid(f"次の項目を直して、もう一度送信してください: {named or '本文'}。", fields)


def install(app: FastAPI) -> None:
    """Makes every failure of the app a problem."""

    @app.exception_handler(Problem)
    async def known(request: Request, problem: Problem) -> Response:
        return answer(request.url.path, problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return answer(request.url.path, invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        response = answer(request.url.path, _routing_problem(error))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    async def database_down(request: Request, error: Exception) -> Response:
        log.error("database unavailable", error=type(error).__name__)
        # Whoever only looked has nothing to check.
        now = (
            "しばらく待ってから、もう一度お試しください。"
            if request.method in ("GET", "HEAD")
            else "しばらく待ってから開き直し、変更が保存されたかを確認してください。"
        )
        return answer(request.url.path, Unavailable(f"データベースとの通信が途切れました。{now}"))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected failure", path=request.url.path, exc_info=error)
        reference = structlog.contextvars.get_contextvars().get("request_id", "-")
        problem = Unexpected(
            "サーバーで予期しない問題が起きました。もう一度お試しいただき、続く場合は"
            f"管理者に受付番号 {reference} をお知らせください。"
        )
        return answer(request.url.path, problem)


def _routing_problem(error: HTTPException) -> Problem:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("指定されたURLは見つかりません。URLを確認してください。")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("このURLでは、その操作（HTTPメソッド）は使えません。")
    problem = Problem("リクエストを処理できませんでした。内容を確認して、もう一度お試しください。")
    problem.status = error.status_code
    return problem


# For a route's `responses`; the front door puts ProblemBody among the document's schemas.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}, "description": text}
    for status, text in (
        (400, "Malformed"),
        (401, "Not signed in"),
        (403, "Not permitted"),
        (404, "Absent or not yours"),
        (408, "The body stopped coming"),
        (409, "Conflict"),
        (413, "Too large"),
        (415, "Not a file of this kind"),
        (416, "Behind the end"),
        (422, "Invalid"),
        (429, "Tried too often"),
        (503, "Unavailable"),
    )
}
