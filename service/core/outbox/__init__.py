"""What leaves: written in the transaction that decided it, sent outside of any."""

# The name by which vendors get a message's key and return it. Their objects and stored webhooks have it: it stays.
MESSAGE_KEY = "effect"
