"""The impact of an incident on the customer's business: stopped terminals of a store, contract type, opening hours."""
