"""地点: what operators type from the statement images."""
