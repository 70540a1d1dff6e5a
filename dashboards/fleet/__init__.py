"""Pages of 端末管理, one file per page."""
