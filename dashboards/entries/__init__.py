"""Pages of 入退管理, one file per page."""
