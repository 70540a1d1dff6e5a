"""The quarterly question how content customers are, and their answers."""
