"""The heartbeats' own door.

`door` is a plain ASGI callable in front of the app, `tokens` knows in memory which token is whose, `batches` stores
what arrives together in one commit. A heartbeat is answered only after that commit.

What it costs is measured by `make bench`. That rests on: one statement a batch, rows locked in the order of their
ids, the newest heartbeat of a terminal deciding its state, and no index on a column that heartbeats change.
"""

from service.fleet.ingest.door import PATH, Ingest, openapi

__all__ = ["PATH", "Ingest", "openapi"]
