"""インシデント: outages, the steps of their response, and the notifications about them (document section 5)."""
