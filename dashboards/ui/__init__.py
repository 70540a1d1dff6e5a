"""The floor of shared widgets that every page stands on."""
