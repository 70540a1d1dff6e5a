"""Customers' AI assistants: their tokens and their MCP endpoint."""
