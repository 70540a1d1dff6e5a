"""Printed documents of the fleet: the status report and sheets of labels."""
