"""Everything that the state machine decides by."""
