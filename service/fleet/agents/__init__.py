"""The agents on the store PCs: enrolment, tokens and commands."""
