"""SQL over everything that is and was: read only, bounded, and only what its caller may see."""
