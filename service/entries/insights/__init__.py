"""在園状況 and 統計: what the scans tell, now and over weeks."""
