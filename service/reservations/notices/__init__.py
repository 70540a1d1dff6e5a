"""The list of all Slack messages, for the guides."""
