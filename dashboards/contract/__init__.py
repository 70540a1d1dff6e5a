"""What the dashboards know of the service; written by `make contract`."""
