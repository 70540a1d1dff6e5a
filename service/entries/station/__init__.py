"""The scan station at the door: its log-in, its session, and what it is told."""
