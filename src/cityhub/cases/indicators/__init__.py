"""Figures of how cases are handled."""
