"""手動対応: operators' tasks and their target times."""
