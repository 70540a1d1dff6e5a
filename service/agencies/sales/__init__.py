"""Requests, for those who sell: send them, follow them, put right what is deficient, take them back."""
