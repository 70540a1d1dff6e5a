"""How requests find their route, and how routes open their transactions."""
