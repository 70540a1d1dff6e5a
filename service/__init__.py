"""The data service: the only room with a key to the database. It decides; `jobs` delivers."""

__version__ = "1.0.0"  # of the release: service, jobs, dashboards and stack are put in place together
