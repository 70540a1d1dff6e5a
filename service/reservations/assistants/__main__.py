"""The MCP tools on stdio, for an assistant on the service's machine: `python -m service.reservations.assistants`.

GENBA_ASSISTANT_TOKEN is its token; the rest of the environment is the service's. Standard output is used by the
protocol, so logs go to standard error.
"""

from __future__ import annotations

import os
import sys

from service.core.database.installation import refuse_demo_in_production
from service.core.database.session import transaction
from service.core.monitoring import logs
from service.core.settings import settings
from service.reservations.assistants import actions, mcp, queries


def main() -> None:
    logs.configure_logging(settings().log_level, sys.stderr)
    token = os.environ.get("GENBA_ASSISTANT_TOKEN", "").strip()
    with transaction(mcp.AREA_SCOPES) as db:
        refuse_demo_in_production(db)
        assistant = queries.assistant_by_token(db, token)
    if assistant is None:
        raise SystemExit(f"GENBA_ASSISTANT_TOKEN: {actions.UNKNOWN_TOKEN}")
    mcp.create_server(lambda: token).run("stdio")


if __name__ == "__main__":
    main()
