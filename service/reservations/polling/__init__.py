"""Polling of vendors, because a webhook may never come."""
