"""The history of a terminal: its timeline, its metrics over time, and the daily aggregates of its heartbeats."""
