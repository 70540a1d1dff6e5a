"""The heartbeat endpoint.

`endpoint` is a plain ASGI app in front of FastAPI, `tokens` caches the valid tokens in memory, `batches` stores
heartbeats that arrive at the same time in one commit. A heartbeat is answered only after that commit.

`make bench` measures the cost. It depends on: one statement per batch, rows locked in the order of their ids, the
terminal's newest heartbeat alone setting its state, and no index on a column that heartbeats change.
"""

from service.fleet.ingest.endpoint import PATH, Ingest, openapi

__all__ = ["PATH", "Ingest", "openapi"]
