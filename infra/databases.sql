-- Four databases with an owner each, so that no service reads another's: Prefect and MLflow both own a table
-- `alembic_version`, and must never share a database. Run it as the administrator; run again, it renews the passwords.
--
--   set -a; . infra/secrets/postgres.env; set +a
--   psql -v ON_ERROR_STOP=1 -h postgres -U postgres -d postgres -f infra/databases.sql
--
-- Logins: keeper sets up, forgets and rewrites (`holdback warehouse setup`); holdback runs the day and can only add
-- (postgres/roles.sql); prefect and mlflow own what is theirs. Passwords come from the environment: on a command line
-- every user of the machine would read them.
\getenv keeper_password KEEPER_DB_PASSWORD
\getenv holdback_password HOLDBACK_DB_PASSWORD
\getenv prefect_password PREFECT_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
set password_encryption = 'scram-sha-256';

select format('create role %I login', name)
from (values ('keeper'), ('holdback'), ('prefect'), ('mlflow')) as wanted (name)
where not exists (select from pg_roles where rolname = name) \gexec
select format('alter role %I password %L', name, password)
from (values ('keeper', :'keeper_password'), ('holdback', :'holdback_password'), ('prefect', :'prefect_password'),
    ('mlflow', :'mlflow_password')) as wanted (name, password) \gexec

select format('create database %I owner %I encoding ''UTF8'' template template0', name, owner)
from (values ('holdback', 'keeper'), ('prefect', 'prefect'), ('mlflow', 'mlflow'), ('mlflow_auth', 'mlflow'))
    as wanted (name, owner)
where not exists (select from pg_database where datname = name) \gexec
select format('revoke all on database %I from public', name)
from (values ('holdback'), ('prefect'), ('mlflow'), ('mlflow_auth')) as made (name) \gexec

\connect holdback
\ir postgres/roles.sql
grant connect, temporary on database holdback to holdback_reader, holdback_scorer, holdback_trainer, holdback_admin;
grant holdback_admin to keeper;
grant holdback_scorer, holdback_trainer to holdback;
