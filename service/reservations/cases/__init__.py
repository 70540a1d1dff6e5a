"""The case: everything that the state machine decides by."""
