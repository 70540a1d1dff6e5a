"""Printed documents of the entries area."""
