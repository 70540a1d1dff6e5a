"""Runs a route in one worker thread: its dependencies, its function, the check of its answer and the commit.

FastAPI goes to a thread and back for each of them. Here all plain functions are called in place, so that the route's
handler is a coroutine that never waits, and one step in a worker thread brings it to its end.

Routes that are `async def` wait for a body or for something slow. They stay as FastAPI has made them, cannot depend on
`Db`, and use `short_transactions`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from functools import cache, wraps
from inspect import iscoroutinefunction
from typing import Any

from anyio import to_thread
from fastapi import Request, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, request_response
from starlette.responses import Response
from starlette.routing import BaseRoute

from service.core.database.session import EXIT_STACK_KEY, route_session
from service.core.http import idempotency
from service.core.http.idempotency import Handler


def install(routes: Iterable[BaseRoute]) -> None:
    """Replaces the handlers of all routes, and adds the idempotency keys. Raises TypeError for a route that is `async
    def` and depends on `Db`."""
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        is_idempotent = idempotency.is_idempotent(route)
        in_one_thread = not _is_async(route.endpoint)
        if in_one_thread:
            _call_in_place(route.dependant)
        elif _depends_on_session(route.dependant):
            raise TypeError(f"{route.path}: a route with Db is a plain function, not async def")
        handle = route.get_route_handler()
        if is_idempotent:
            handle = idempotency.with_idempotency(handle)
        if in_one_thread:
            handle = _in_one_thread(handle, _body_reader(route, is_idempotent=is_idempotent))
        route.app = request_response(handle)


def _is_async(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _call_in_place(dependant: Dependant) -> None:
    if dependant.call is not None and not _is_async(dependant.call):
        dependant.call = _as_coroutine(dependant.call)
    for part in dependant.dependencies:
        _call_in_place(part)


@cache
def _as_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for the same function: FastAPI calls a dependency once a request by comparing functions."""

    @wraps(function)
    async def in_place(**values: Any) -> Any:
        return function(**values)

    return in_place


def _depends_on_session(dependant: Dependant) -> bool:
    return dependant.call is route_session or any(map(_depends_on_session, dependant.dependencies))


def _body_reader(route: APIRoute, *, is_idempotent: bool) -> Callable[[Request], Awaitable[object]] | None:
    """What reads the body before the thread begins; the request keeps it."""
    if route.body_field is not None and isinstance(route.body_field.field_info, params.Form):
        # A large file in a form is written to disk, by another thread.
        return lambda request: request.form()
    return Request.body if is_idempotent or route.body_field is not None else None


def _in_one_thread(handle: Handler, read_body: Callable[[Request], Awaitable[object]] | None) -> Handler:
    async def handler(request: Request) -> Response:
        if read_body is not None:
            await read_body(request)
        return await to_thread.run_sync(_run, handle, request)

    return handler


def _run(handle: Handler, request: Request) -> Response:
    """The response, after the commit. Raises what the route raises, after the rollback."""
    with ExitStack() as stack:
        request.scope[EXIT_STACK_KEY] = stack
        coroutine = handle(request)
        try:
            coroutine.send(None)
        except StopIteration as end:
            response: Response = end.value
            return response
        finally:
            coroutine.close()
        raise RuntimeError("something in the route has waited for the event loop")
