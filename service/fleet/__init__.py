"""端末管理: payment terminals, the agents beside them, what they report and what goes wrong."""
