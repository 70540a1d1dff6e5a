"""The floor's pages: what every area uses."""
