"""What leaves: written in the transaction that decided it, sent outside of any."""
