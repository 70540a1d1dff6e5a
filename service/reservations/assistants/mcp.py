"""The MCP server for customers' AI assistants: four tools over the Model Context Protocol, by HTTP at /mcp or on stdio.

The library supports both generations of the protocol. Each call is one stateless request, so that any process can serve
it. A tool runs one transaction on a thread. The model gets the messages of expected errors, and no details of others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar, cast

import structlog
from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import AnyHttpUrl, Field, ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from service.core.database.session import Scopes, transaction
from service.core.http import hosts, rate_limits
from service.core.http.problem_responses import field_errors
from service.core.pages import shell
from service.core.problems import MethodNotAllowed, Problem
from service.core.settings import settings
from service.core.values.texts import NO_NUL, ONE_LINE, Mail, Name
from service.reservations.assistants import actions, queries, rules, schemas
from service.reservations.assistants.actions import MCP_PATH, ReservationRequest
from service.reservations.models import Assistant
from service.reservations.rules import AREA, SERVICE_NAME

METADATA_PATH = f"/.well-known/oauth-protected-resource{MCP_PATH}"
PATHS = (MCP_PATH, METADATA_PATH)
MAX_BODY_BYTES = 64 * 1024
TOKEN_SCOPE = "reserve"
# The token decides about each row: this area has no tenants.
AREA_SCOPES = Scopes(frozenset({AREA.name}))
BUSY_MESSAGE = (
    "ただいま混み合っています。しばらく待ってから、同じ内容（同じ client_request_id）でもう一度お試しください。"
)
INTERNAL_ERROR_MESSAGE = (
    "予約サービスで予期しない問題が起きました。しばらく待ってから、同じ内容（同じ client_request_id）で"
    "もう一度お試しください。続くときは、カスタマーサポートまでご連絡ください。"
)

log = structlog.get_logger()
Result = TypeVar("Result")

QueryText = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
RequestId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=ONE_LINE,
        description="この申し込みの控えとして、新しく決めるID（UUIDなど）。同じ申し込みをやり直すときは同じIDを使うと、"
        "二重の予約になりません。別の申し込みには別のIDを使います。",
    ),
]
Code = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
PhoneText = Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
ReservationId = Annotated[
    str, Field(min_length=1, max_length=30, pattern=ONE_LINE, description="予約ID（QRV-で始まる10文字）")
]
SharedPhone = Annotated[
    PhoneText | None,
    Field(
        description="予約したときの電話番号。複数のお客様で共用する接続では必須です。指定すると、一致する予約だけを探します。"
    ),
]


class Server(MCPServer[Any]):
    """Returns errors in the product's own text. The library would add a prefix, and describe invalid arguments in
    English with their values."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            raise _to_tool_error(error) from error.__cause__


def _to_tool_error(error: ToolError) -> ToolError:
    cause = error.__cause__
    if isinstance(cause, Problem):
        return ToolError(_problem_text(cause))
    if isinstance(cause, (OperationalError, PoolTimeout)):
        return UnexpectedToolError(BUSY_MESSAGE)
    if isinstance(error, UnexpectedToolError):
        return UnexpectedToolError(INTERNAL_ERROR_MESSAGE)
    if isinstance(cause, ValidationError):
        errors = field_errors(
            [dict(error_details) for error_details in cause.errors(include_url=False, include_input=False)]
        )
        return ToolError("\n".join(["引数を直して、もう一度呼び出してください。", *_error_lines(errors)]))
    return ToolError("このツールはありません。tools/list で確認してください。")


def _problem_text(problem: Problem) -> str:
    """`detail` and the errors per argument, unless `detail` already contains them."""
    details = [(error.field, error.message) for error in problem.errors if error.message not in problem.detail]
    return "\n".join([problem.detail, *_error_lines(details)])


def _error_lines(errors: list[tuple[str, str]]) -> list[str]:
    return [f"{field}: {message}" if field else message for field, message in errors]


class Tools:
    """The tools of assistants. `token` returns the token of the current call."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def listed(self) -> list[Tool]:
        """The tool definitions. Unknown arguments are refused: a request must not be ignored silently."""
        read_only = ToolAnnotations(read_only_hint=True, open_world_hint=False)
        creates = ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        )
        destroys = ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
        )
        tools = [
            Tool.from_function(
                self.search_services,
                title="サービスを探す",
                description="予約できるサービス、サイズ、料金と、予約できる日時の範囲を調べます。"
                "申し込みの前に、ここでコードを確認してください。",
                annotations=read_only,
            ),
            Tool.from_function(
                self.request_reservation,
                title="予約を申し込む",
                description="予約を申し込みます。受付だけがすぐに済み、予約はまだ確定しません。このあと、提携店に順番に"
                "電話で確認します（数分から数時間）。お店が決まると、お客様の電話にお支払いのリンクがSMSで届きます。"
                "申し込む前に、サービス、サイズ、日時、お名前、電話番号をお客様に復唱して、了承を得てください。"
                "返事が届かなかったときは、同じ client_request_id でもう一度呼び出しても、予約は増えません。",
                annotations=creates,
            ),
            Tool.from_function(
                self.get_reservation_status,
                title="予約の状況を確認する",
                description="予約が今どうなっていて、次に何がいつまでに起きるのかを確認します。",
                annotations=read_only,
            ),
            Tool.from_function(
                self.cancel_reservation,
                title="予約をキャンセルする",
                description=f"予約をキャンセルします。確定した予約は、予約日時の{rules.CANCEL_HOURS}時間前まで全額返金で"
                "承ります。元には戻せないため、必ずお客様の意思を確かめてから使ってください。",
                annotations=destroys,
            ),
        ]
        for tool in tools:
            arguments = tool.fn_metadata.arg_model
            arguments.model_config["extra"] = "forbid"
            arguments.model_rebuild(force=True)
            tool.parameters = arguments.model_json_schema(by_alias=True)
        return tools

    def search_services(
        self,
        query: Annotated[QueryText, Field(description="探したい言葉（「花束」など）。省くとすべて")] = "",
    ) -> schemas.Services:
        return self._run(lambda db, assistant: actions.search(db, assistant, query))

    def request_reservation(
        self,
        client_request_id: RequestId,
        service: Annotated[Code, Field(description="search_services の service")],
        plan: Annotated[Code, Field(description="search_services の plan（サイズ）")],
        starts_at: Annotated[
            str,
            Field(
                min_length=1,
                max_length=40,
                pattern=ONE_LINE,
                description="予約日時。ISO 8601（例: 2026-11-21T14:00:00+09:00）。時差を省くと日本時間です。",
                json_schema_extra={"format": "date-time"},
            ),
        ],
        customer_name: Annotated[Name, Field(description="お客様のお名前。お店に伝えます。")],
        phone: Annotated[
            PhoneText,
            Field(description="SMSを受け取れる日本の携帯電話番号（090-1234-5678 または +819012345678）"),
        ],
        mail: Annotated[Mail | None, Field(description="メールアドレス。SMSと同じ内容をメールでも送ります。")] = None,
        wishes: Annotated[
            str,
            Field(max_length=500, pattern=NO_NUL, description="お店に伝えるご要望（プレートの文字、色など）"),
        ] = "",
        hours_confirmed: Annotated[
            bool,
            Field(description="提携店の電話受付時間の外（深夜など）でよいと、お客様に確かめたときだけ true にします。"),
        ] = False,
    ) -> schemas.ReservationAnswer:
        request = ReservationRequest(
            client_request_id, service, plan, starts_at, customer_name, phone, mail or "", wishes, hours_confirmed
        )
        return self._run(lambda db, assistant: actions.request_reservation(db, assistant, request))

    def get_reservation_status(
        self, reservation_id: ReservationId, phone: SharedPhone = None
    ) -> schemas.ReservationAnswer:
        return self._run(lambda db, assistant: actions.status(db, assistant, reservation_id, phone))

    def cancel_reservation(self, reservation_id: ReservationId, phone: SharedPhone = None) -> schemas.ReservationAnswer:
        return self._run(lambda db, assistant: actions.cancel(db, assistant, reservation_id, phone))

    def _run(self, action: Callable[[Session, Assistant], Result | Problem]) -> Result:
        """Runs a tool in its own transaction. A returned Problem is raised after the commit."""
        with transaction(AREA_SCOPES) as db:
            result = action(db, actions.authenticate(db, self._token()))
        if isinstance(result, Problem):
            raise result
        return result


def create_server(token: Callable[[], str], **access: Any) -> Server:
    return Server(
        "genba-reservations",
        title=SERVICE_NAME,
        instructions=rules.instructions(actions.guides_url()),
        version="1",
        tools=Tools(token).listed(),
        # An open stream would occupy a slot (concurrency limit); assistants poll instead.
        subscriptions=False,
        log_level=cast(Literal["DEBUG", "INFO", "WARNING", "ERROR"], settings().log_level.upper()),
        **access,
    )


class AssistantTokenVerifier:
    """Accepts valid tokens. The tool looks the token up again, because it may be revoked at any time."""

    async def verify_token(self, token: str) -> AccessToken | None:
        client_id = await to_thread.run_sync(_client_id, token)
        return (
            AccessToken(token=token, client_id=client_id, subject=client_id, scopes=[TOKEN_SCOPE])
            if client_id
            else None
        )


def _client_id(token: str) -> str | None:
    with transaction(AREA_SCOPES) as db:
        assistant = queries.assistant_by_token(db, token)
        return str(assistant.id) if assistant else None


def _current_token() -> str:
    access_token = get_access_token()
    if access_token is None:
        raise RuntimeError("a tool was called without authentication")
    return access_token.token


class McpApp:
    """The ASGI app of the tools over HTTP. `run()` is entered for the lifetime of the process."""

    def __init__(self) -> None:
        base_url = shell.address()
        access = AuthSettings(
            issuer_url=AnyHttpUrl(base_url),
            resource_server_url=AnyHttpUrl(f"{base_url}{MCP_PATH}"),
            required_scopes=[TOKEN_SCOPE],
            # Our tokens have no other resource.
            validate_token_resource=False,
        )
        self._server = create_server(_current_token, token_verifier=AssistantTokenVerifier(), auth=access)
        names = sorted(hosts.allowed_hosts(settings()))
        self._app = self._server.streamable_http_app(
            streamable_http_path=MCP_PATH,
            stateless_http=True,
            json_response=True,
            max_request_body_size=MAX_BODY_BYTES,
            transport_security=TransportSecuritySettings(
                allowed_hosts=[pattern for name in names for pattern in (name, f"{name}:*")],
                allowed_origins=[
                    pattern
                    for name in names
                    for scheme in ("http", "https")
                    for pattern in (f"{scheme}://{name}", f"{scheme}://{name}:*")
                ],
            ),
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._server.session_manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Older clients would open a stream by GET, on which nothing is ever sent.
        if scope["path"] == MCP_PATH and scope["method"] != "POST":
            response = MethodNotAllowed("この入口はMCPクライアント用です。POSTで呼び出してください。").response()
            response.headers["Allow"] = "POST"
            await response(scope, receive, send)
            return
        if scope["path"] == MCP_PATH:
            rate_limits.mark_token_read(scope)
        await self._app(scope, receive, send)
