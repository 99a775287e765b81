"""The lake: what was true, in open tables that any engine reads."""
