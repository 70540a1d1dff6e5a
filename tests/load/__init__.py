"""Load on loopback: what the hot paths cost, and the designs they are compared with."""
