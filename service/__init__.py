"""The data service: the only room with a key to the database. It decides; `jobs` delivers."""
