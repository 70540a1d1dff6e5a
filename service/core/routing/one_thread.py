"""Runs a route in one worker thread: its dependencies, its function, the check of its answer and the commit.

FastAPI goes to a thread and back for each of them. Here all plain functions are called in place, so that the route's
handler is a coroutine that never waits, and one step in a worker thread brings it to its end.

Routes that are `async def` wait for a body or for something slow. They stay as FastAPI has made them, cannot depend on
`Db`, and use `short_transactions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import cache, wraps
from inspect import iscoroutinefunction
from typing import Any

from anyio import to_thread
from fastapi import Request
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
            handle = _in_one_thread(handle, reads_body=is_idempotent or route.body_field is not None)
        route.app = request_response(handle)


def _is_async(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _call_in_place(dependant: Dependant) -> None:
    for part in (dependant, *dependant.dependencies):
        if part.call is not None and not _is_async(part.call):
            part.call = _as_coroutine(part.call)
    for part in dependant.dependencies:
        _call_in_place(part)


@cache  # the same again: FastAPI calls a dependency once for each function object
def _as_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def in_place(**values: Any) -> Any:
        return function(**values)

    return in_place


def _depends_on_session(dependant: Dependant) -> bool:
    return dependant.call is route_session or any(map(_depends_on_session, dependant.dependencies))


def _in_one_thread(handle: Handler, *, reads_body: bool) -> Handler:
    async def handler(request: Request) -> Response:
        if reads_body:
            await request.body()
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
