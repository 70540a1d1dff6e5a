"""The HTTP layer of every request: limits, idempotency, shutdown, request log, hosts, problem responses."""
