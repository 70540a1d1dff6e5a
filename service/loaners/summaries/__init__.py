"""サマリー: devices by status and site, today, on another day, and the differences between two days."""
