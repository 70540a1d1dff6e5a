"""Vendors' webhooks: stored once, processed by a job."""
