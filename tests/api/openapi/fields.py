"""The parameters and bodies of every route, as FastAPI validates them."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from tests.whole import service_app


def fields_by_route() -> Iterator[tuple[str, ModelField]]:
    """(path, field); a model of query parameters is one field."""
    for context in iter_route_contexts(service_app().fastapi.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            yield from ((str(context.path), field) for field in _fields(route.dependant))


def _fields(dependant: Dependant) -> Iterator[ModelField]:
    yield from (*dependant.path_params, *dependant.query_params, *dependant.body_params)
    for dependency in dependant.dependencies:
        yield from _fields(dependency)
