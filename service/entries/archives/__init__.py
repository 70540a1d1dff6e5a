"""Logs older than a year, archived as files (NFR-S-003)."""
