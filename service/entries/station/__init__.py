"""The scan station at the entrance: its log-in, its session, and the data it receives."""
