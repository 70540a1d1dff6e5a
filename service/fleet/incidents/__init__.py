"""What goes wrong in the fleet: alerts, the incidents they belong to, and how people respond."""
