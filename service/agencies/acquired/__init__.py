"""獲得案件: sites that were entered, grouped by corporation (3.3)."""
