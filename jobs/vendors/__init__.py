"""One thin client per vendor. A client sends once and tells how it went; retries are the outbox's."""
