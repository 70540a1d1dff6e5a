"""What a reservation waits for and what comes next, in text for the customer."""
