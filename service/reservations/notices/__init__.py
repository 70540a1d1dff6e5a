"""What Slack is told, as a list for people."""
