"""One reservation from the request to its end: the state machine with its tables, calls, money and messages."""
