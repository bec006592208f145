"""PostgreSQL as a company's warehouse: the system of record; queries are answered from copies on each machine."""

from holdback.warehouse.postgres.definitions import journal_schema_of, schema_of
from holdback.warehouse.postgres.locks import held
from holdback.warehouse.postgres.roles import may_rewrite, set_up, setup_sql
from holdback.warehouse.postgres.warehouse import PostgresWarehouse

__all__ = ["PostgresWarehouse", "held", "journal_schema_of", "may_rewrite", "schema_of", "set_up", "setup_sql"]
