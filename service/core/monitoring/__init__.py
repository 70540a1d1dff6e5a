"""Monitoring: processes, health, metrics, backups, availability."""
