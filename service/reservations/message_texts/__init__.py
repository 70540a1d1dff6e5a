"""The texts for customers, shops and the telephone."""
