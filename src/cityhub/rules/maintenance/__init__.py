"""Maintenance windows: while one lasts, alerts about what it names are kept quiet."""
