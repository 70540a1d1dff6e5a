"""Pages of 予約運用, one file per page."""
