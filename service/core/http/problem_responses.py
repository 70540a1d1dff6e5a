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


# pydantic's error types as messages for users; {…} are the error's own limits.
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


# Names that a model's field can have. The sender can invent other keys, of any text.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _field_path(error: Mapping[str, Any]) -> str:
    """The error's field. An unknown key is echoed only when it looks like a name: it may be a secret."""
    is_unknown = error["type"] == "extra_forbidden"
    parts = [str(part) for part in error["loc"]]
    # FastAPI's own first part. A field may have such a name, too.
    if parts[:1] in (["body"], ["query"], ["path"]) and (len(parts) > 1 or not is_unknown):
        del parts[0]
    if is_unknown and not _FIELD_NAME.fullmatch(parts[-1]):
        parts[-1] = "?"
    return ".".join(parts)


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """pydantic's errors as (field, Japanese message)."""
    messages = []
    for error in errors:
        field = _field_path(error)
        values = dict(error.get("ctx") or {})
        values["reason"] = str(values.get("error", ""))
        kind = error["type"]
        if kind in ("too_short", "too_long") and isinstance(error.get("input"), str):  # a secret's characters
            kind = f"string_{kind}"
        messages.append((field, MESSAGES.get(kind, "値が正しくありません。").format_map(values)))
    return messages


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
