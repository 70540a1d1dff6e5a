"""The core: what all areas share. It depends on no area."""
