"""手動対応 for operators: the list, owners and target times."""
