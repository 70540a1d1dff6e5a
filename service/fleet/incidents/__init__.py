"""Incidents of the fleet: alerts, the incidents they are grouped into, and the response to them."""
