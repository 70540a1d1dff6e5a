"""Card data: kept sealed, shown masked, gone in time."""
