"""Card data: stored encrypted (sealed), shown masked, deleted after the retention period."""
