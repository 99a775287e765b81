"""Where things are kept: the store with its journal, on SQLite (embedded) or PostgreSQL (grown)."""
