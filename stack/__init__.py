"""How Genba runs on one machine: embedded PostgreSQL and Valkey, supervisor, demo data, and the commands of `make`."""
