"""The door of customers' AI assistants: four tools over the Model Context Protocol, by HTTP at /mcp or on stdio.

The library answers both eras of the protocol. Each call is one request without a session, so that any process may take
it. What a tool does is one transaction on a thread; expected refusals reach the model in words, nothing else does.
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

from service.core import hosts
from service.core.db import Scopes, transaction
from service.core.pages import shell
from service.core.problems import MethodNotAllowed, Problem, field_errors
from service.core.settings import settings
from service.core.texts import NO_NUL, ONE_LINE, Mail, Name
from service.reservations.assistants import actions, queries, rules, schemas
from service.reservations.assistants.actions import PATH, Wish
from service.reservations.assistants.models import Assistant
from service.reservations.rules import AREA, SERVICE_NAME

METADATA = f"/.well-known/oauth-protected-resource{PATH}"
PATHS = (PATH, METADATA)
LARGEST_BODY = 64 * 1024
SCOPE = "reserve"
# Whose row is whose is decided by the token, row by row: there are no tenants here.
WHOLE_AREA = Scopes(frozenset({AREA.name}))
BUSY = "ただいま混み合っています。しばらく待ってから、同じ内容（同じ client_request_id）でもう一度お試しください。"
BROKEN = (
    "予約サービスで予期しない問題が起きました。しばらく待ってから、同じ内容（同じ client_request_id）で"
    "もう一度お試しください。続くときは、カスタマーサポートまでご連絡ください。"
)

log = structlog.get_logger()
Result = TypeVar("Result")

Word = Annotated[str, Field(max_length=100, pattern=NO_NUL)]
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
    """Refusals in the words of the product. The library would put a prefix before them, and write what is wrong with
    arguments in English, values included."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            raise _in_words(error) from error.__cause__


def _in_words(error: ToolError) -> ToolError:
    cause = error.__cause__
    if isinstance(cause, Problem):
        return ToolError(_told(cause))
    if isinstance(cause, (OperationalError, PoolTimeout)):
        return UnexpectedToolError(BUSY)
    if isinstance(error, UnexpectedToolError):
        return UnexpectedToolError(BROKEN)
    if isinstance(cause, ValidationError):
        wrong = field_errors([dict(one) for one in cause.errors(include_url=False, include_input=False)])
        return ToolError("\n".join(["引数を直して、もう一度呼び出してください。", *_lines(wrong)]))
    return ToolError("このツールはありません。tools/list で確認してください。")


def _told(problem: Problem) -> str:
    """`detail`, and which argument it is about unless that says it all."""
    further = [(one.field, one.message) for one in problem.errors if one.message not in problem.detail]
    return "\n".join([problem.detail, *_lines(further)])


def _lines(errors: list[tuple[str, str]]) -> list[str]:
    return [f"{field}: {message}" if field else message for field, message in errors]


class Tools:
    """What assistants can do. `token` says with which token the call at hand came."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def listed(self) -> list[Tool]:
        """Arguments that nobody knows are refused: a wish that was passed over would be a broken promise."""
        look = ToolAnnotations(read_only_hint=True, open_world_hint=False)
        make = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
        end = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
        tools = [
            Tool.from_function(
                self.search_services,
                title="サービスを探す",
                description="予約できるサービス、サイズ、料金と、予約できる日時の範囲を調べます。"
                "申し込みの前に、ここでコードを確認してください。",
                annotations=look,
            ),
            Tool.from_function(
                self.request_reservation,
                title="予約を申し込む",
                description="予約を申し込みます。受付だけがすぐに済み、予約はまだ確定しません。このあと、提携店に順番に"
                "電話で確認します（数分から数時間）。お店が決まると、お客様の電話にお支払いのリンクがSMSで届きます。"
                "申し込む前に、サービス、サイズ、日時、お名前、電話番号をお客様に復唱して、了承を得てください。"
                "返事が届かなかったときは、同じ client_request_id でもう一度呼び出しても、予約は増えません。",
                annotations=make,
            ),
            Tool.from_function(
                self.get_reservation_status,
                title="予約の状況を確認する",
                description="予約が今どうなっていて、次に何がいつまでに起きるのかを確認します。",
                annotations=look,
            ),
            Tool.from_function(
                self.cancel_reservation,
                title="予約をキャンセルする",
                description=f"予約をキャンセルします。確定した予約は、予約日時の{rules.CANCEL_HOURS}時間前まで全額返金で"
                "承ります。元には戻せないため、必ずお客様の意思を確かめてから使ってください。",
                annotations=end,
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
        query: Annotated[Word, Field(description="探したい言葉（「花束」など）。省くとすべて")] = "",
    ) -> schemas.Services:
        return self._with(lambda db, assistant: actions.search(db, assistant, query))

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
        wish = Wish(
            client_request_id, service, plan, starts_at, customer_name, phone, mail or "", wishes, hours_confirmed
        )
        return self._with(lambda db, assistant: actions.ask(db, assistant, wish))

    def get_reservation_status(
        self, reservation_id: ReservationId, phone: SharedPhone = None
    ) -> schemas.ReservationAnswer:
        return self._with(lambda db, assistant: actions.status(db, assistant, reservation_id, phone))

    def cancel_reservation(self, reservation_id: ReservationId, phone: SharedPhone = None) -> schemas.ReservationAnswer:
        return self._with(lambda db, assistant: actions.cancel(db, assistant, reservation_id, phone))

    def _with(self, work: Callable[[Session, Assistant], Result | Problem]) -> Result:
        """In a transaction of its own. A refusal that has to be remembered is raised after it."""
        with transaction(WHOLE_AREA) as db:
            said = work(db, actions.recognise(db, self._token()))
        if isinstance(said, Problem):
            raise said
        return said


def server(token: Callable[[], str], **access: Any) -> Server:
    return Server(
        "genba-reservations",
        title=SERVICE_NAME,
        instructions=rules.instructions(actions.guides()),
        version="1",
        tools=Tools(token).listed(),
        # A stream that stays open would hold a seat; assistants ask.
        subscriptions=False,
        log_level=cast(Literal["DEBUG", "INFO", "WARNING", "ERROR"], settings().log_level.upper()),
        **access,
    )


class Tokens:
    """Lets in whoever has a token that holds. It is looked up again by the tool: it may be revoked any moment."""

    async def verify_token(self, token: str) -> AccessToken | None:
        known = await to_thread.run_sync(_known, token)
        return AccessToken(token=token, client_id=known, subject=known, scopes=[SCOPE]) if known else None


def _known(token: str) -> str | None:
    with transaction(WHOLE_AREA) as db:
        found = queries.by_token(db, token)
        return str(found.id) if found else None


def _token_at_hand() -> str:
    found = get_access_token()
    if found is None:
        raise RuntimeError("a tool was called past the door")
    return found.token


class Door:
    """The tools over HTTP. `run()` is entered for the life of the process."""

    def __init__(self) -> None:
        here = shell.address()
        access = AuthSettings(
            issuer_url=AnyHttpUrl(here),
            resource_server_url=AnyHttpUrl(f"{here}{PATH}"),
            required_scopes=[SCOPE],
            # Our own tokens are for nothing else.
            validate_token_resource=False,
        )
        self._server = server(_token_at_hand, token_verifier=Tokens(), auth=access)
        names = sorted(hosts.allowed_hosts(settings()))
        self._app = self._server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            json_response=True,
            max_request_body_size=LARGEST_BODY,
            transport_security=TransportSecuritySettings(
                allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
                allowed_origins=[
                    form
                    for name in names
                    for kind in ("http", "https")
                    for form in (f"{kind}://{name}", f"{kind}://{name}:*")
                ],
            ),
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._server.session_manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Older clients would open a stream by GET for what nobody ever sends.
        if scope["path"] == PATH and scope["method"] != "POST":
            refused = MethodNotAllowed("この入口はMCPクライアント用です。POSTで呼び出してください。").response()
            refused.headers["Allow"] = "POST"
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)
