"""One reservation from the request to its end: its tables, its events and the customer's pages."""
