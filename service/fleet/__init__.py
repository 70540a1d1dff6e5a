"""端末管理: payment terminals, the agents on their store PCs, heartbeats, alerts and incidents."""
