"""Tests that call every route of the service."""
