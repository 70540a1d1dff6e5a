"""The core's pages, which all areas use."""
