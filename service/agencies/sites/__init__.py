"""地点: operators type them from the statement images."""
