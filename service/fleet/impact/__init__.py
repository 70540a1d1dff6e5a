"""How much an incident hurts the customer's business: what of a store stands still, under which contract, and when."""
