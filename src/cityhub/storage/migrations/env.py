"""Runs the steps on the connection that `cityhub.storage.postgres_schema` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="schema_version",
    version_table_schema="cityhub",
)
with context.begin_transaction():
    context.run_migrations()
