"""The vendor sandbox: what Genba sends to the outside, received on loopback and shown. For the demo and the tests."""
