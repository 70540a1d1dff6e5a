"""獲得案件: sites that were entered, below their corporations (3.3)."""
