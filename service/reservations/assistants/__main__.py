"""The tools on stdio, for an assistant on the same machine as the service: `python -m service.reservations.assistants`.

GENBA_ASSISTANT_TOKEN is its token; the rest of the environment is the service's. Standard output belongs to the
protocol, so everything else goes to standard error.
"""

from __future__ import annotations

import os
import sys

from service.core import logs
from service.core.db import transaction
from service.core.installation import refuse_demo_in_production
from service.core.settings import settings
from service.reservations.assistants import actions, mcp, queries


def main() -> None:
    logs.configure_logging(settings().log_level, sys.stderr)
    token = os.environ.get("GENBA_ASSISTANT_TOKEN", "").strip()
    with transaction(mcp.WHOLE_AREA) as db:
        refuse_demo_in_production(db)
        known = queries.by_token(db, token)
    if known is None:
        raise SystemExit(f"GENBA_ASSISTANT_TOKEN: {actions.UNKNOWN_TOKEN}")
    mcp.server(lambda: token).run("stdio")


if __name__ == "__main__":
    main()
