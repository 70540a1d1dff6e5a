"""インシデント: what is broken as a whole, how far its flow has come, and who was told (document section 5)."""
