"""Data of other systems into the history, and answers out of it as files."""
