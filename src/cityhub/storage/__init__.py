"""Where the city's state is kept: SQL engines, their journal, backups."""
