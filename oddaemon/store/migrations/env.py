"""Run by Alembic: migrates on a given connection, within its transaction."""

from alembic import context

from oddaemon.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
