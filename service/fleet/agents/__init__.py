"""The agents on the store PCs: how they enrol, what they may sign in with, what they are asked to do."""
