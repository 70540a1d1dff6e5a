"""Maintenance of the records: contradictions to resolve, and old events to archive."""
