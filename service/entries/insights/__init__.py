"""在園状況 and 統計: what the scans show, now and over weeks."""
