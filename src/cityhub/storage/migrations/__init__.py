"""The schema of the grown store, step by step (Alembic, plain SQL)."""
