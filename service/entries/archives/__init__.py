"""Logs older than a year, as files (NFR-S-003)."""
