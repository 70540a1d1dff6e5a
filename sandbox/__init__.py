"""The vendor sandbox: receives on loopback what Genba sends to outside services and shows it. For the demo and the
tests."""
