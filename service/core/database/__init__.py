"""The database: sessions, clock, paging, partitions, retention, replica."""
