"""Maintenance windows of terminals: no alert is opened during one."""
