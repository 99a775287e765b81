"""The register of feeds: their definitions and versions, what became of their messages, and the doors to it."""
