"""Quarterly surveys of customer satisfaction, and their answers."""
