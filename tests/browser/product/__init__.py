"""The whole product in a real Chromium, as `make up` runs it."""
