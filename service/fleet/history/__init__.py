"""What was: a terminal's timeline, its readings over time, and the days that stay of its heartbeats."""
