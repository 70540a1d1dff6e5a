"""The floor all areas stand on. It knows no area."""
