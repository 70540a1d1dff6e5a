"""The look at the whole fleet, every ten seconds: who fell silent, what belongs together, who has to be told."""
