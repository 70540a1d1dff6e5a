"""Vendors are asked, because a webhook may never come."""
