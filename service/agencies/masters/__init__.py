"""Masters: options, choices, and the fields of the carrier's screen."""
