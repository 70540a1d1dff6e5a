"""Customers' AI assistants: their tokens and the door they speak at (MCP)."""
