"""Which roles may call which route. `python -m tests.house.permissions` rewrites permissions.tsv, so that a reviewer
reads what changed."""

from __future__ import annotations

from pathlib import Path

from service.core.areas import areas
from service.main import route_permissions
from tests.whole import service_app

TABLE = Path(__file__).with_name("permissions.tsv")


def table() -> str:
    """A line for each route that asks for a permission: method, path, permission, roles that have it."""
    roles = {f"{area}:{name}": role for area, definition in areas().items() for name, role in definition.roles.items()}
    lines = {
        "\t".join((method, path, permission, *(name for name, role in roles.items() if permission in role.permissions)))
        for path, route, declared in route_permissions(service_app().fastapi)
        for method in route.methods or ()
        for permission in declared
    }
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split("\t")[1::-1]))


if __name__ == "__main__":
    import tests.conftest  # noqa: F401  # the settings of tests

    TABLE.write_text(table())
