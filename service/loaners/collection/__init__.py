"""The collection sheets (2): answers that Google Forms collected until now become events."""
