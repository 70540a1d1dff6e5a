"""明細画像 of requests."""
