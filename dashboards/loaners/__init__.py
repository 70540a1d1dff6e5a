"""Pages of 代替機管理, one file per page."""
