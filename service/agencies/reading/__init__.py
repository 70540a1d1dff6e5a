"""Reading statements: what a machine saw on an image is proposed, and an operator takes it over field by field."""
