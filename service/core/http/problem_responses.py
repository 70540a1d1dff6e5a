"""Problem responses: every failure of the app becomes an HTML page on public paths, else problem+json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.core.pages import shell
from service.core.problems import (
    MEDIA_TYPE,
    Invalid,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unavailable,
    Unexpected,
)
from service.core.values.messages import WrongField, message

log = structlog.get_logger()


def problem_response(path: str, problem: Problem) -> Response:
    """An HTML page on public paths, problem+json on all others."""
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
    problem_headers = problem.response().headers
    response.headers.update(
        {name: problem_headers[name] for name in problem_headers if not name.startswith("content-")}
    )
    return response


# Names that a model's field can have. The sender can invent other keys, of any text.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _field_path(error: Mapping[str, Any]) -> str:
    """The error's field. An unknown key is echoed only when it looks like a name: it may be a secret."""
    is_unknown = error["type"] == "extra_forbidden"
    # Without pydantic's own marks, such as that of a key: [key].
    parts = [str(part) for part in error["loc"] if is_unknown or not str(part).endswith("]")]
    # FastAPI's own first part. A field may have such a name, too.
    if parts[:1] in (["body"], ["query"], ["path"]) and (len(parts) > 1 or not is_unknown):
        del parts[0]
    if is_unknown and not _FIELD_NAME.fullmatch(parts[-1]):
        parts[-1] = "?"
    if isinstance(reason := error.get("ctx", {}).get("error"), WrongField):
        parts.append(reason.field)
    return ".".join(parts)


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """pydantic's errors as (field, Japanese message)."""
    return [(_field_path(error), message(error)) for error in errors]


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    error_list = list(errors)
    if any(error["type"] == "json_invalid" for error in error_list):
        return Malformed("本文をJSONとして読み取れません。送信側のプログラムを確認してください。")
    fields = field_errors(error_list)
    field_names = "、".join(field for field, _ in fields[:5] if field)
    return Invalid(f"次の項目を直して、もう一度送信してください: {field_names or '本文'}。", fields)


def install(app: FastAPI) -> None:
    """Makes every failure of the app a problem."""

    @app.exception_handler(Problem)
    async def handle_problem(request: Request, problem: Problem) -> Response:
        return problem_response(request.url.path, problem)

    @app.exception_handler(RequestValidationError)
    async def handle_validation_error(request: Request, error: RequestValidationError) -> Response:
        return problem_response(request.url.path, invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def handle_http_exception(request: Request, error: HTTPException) -> Response:
        response = problem_response(request.url.path, _routing_problem(error))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    async def handle_database_error(request: Request, error: Exception) -> Response:
        log.error("database unavailable", error=type(error).__name__)
        # A user who only read has nothing to check.
        advice = (
            "しばらく待ってから、もう一度お試しください。"
            if request.method in ("GET", "HEAD")
            else "しばらく待ってから開き直し、変更が保存されたかを確認してください。"
        )
        return problem_response(request.url.path, Unavailable(f"データベースとの通信が途切れました。{advice}"))

    @app.exception_handler(Exception)
    async def handle_unexpected_error(request: Request, error: Exception) -> Response:
        log.error("unexpected failure", path=request.url.path, exc_info=error)
        reference = structlog.contextvars.get_contextvars().get("request_id", "-")
        problem = Unexpected(
            "サーバーで予期しない問題が起きました。もう一度お試しいただき、続く場合は"
            f"管理者に受付番号 {reference} をお知らせください。"
        )
        return problem_response(request.url.path, problem)


def _routing_problem(error: HTTPException) -> Problem:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("指定されたURLは見つかりません。URLを確認してください。")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("このURLでは、その操作（HTTPメソッド）は使えません。")
    problem = Problem("リクエストを処理できませんでした。内容を確認して、もう一度お試しください。")
    problem.status = error.status_code
    return problem


# `service.main` adds ProblemBody to the OpenAPI document's schemas.
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


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems that it answers with."""
    return {status: RESPONSES[status] for status in statuses}
