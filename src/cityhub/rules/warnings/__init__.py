"""Warnings to the public and to other agencies: drafted, released by whoever may, changed, taken back, and those of others."""
