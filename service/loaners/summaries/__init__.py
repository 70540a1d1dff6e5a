"""サマリー: how many devices are held how, by site, today, on another day, and since another day."""
