#!/bin/sh
# Put a copy that backup.sh made onto an empty installation. Usage: restore.sh FOLDER/20261122T021500Z
#
# First: databases.sql on the new server, and no service running but the database. Environment as for backup.sh.
# Afterwards: docs/in-a-company.md, "After a restore": what was sent since the copy was made is not in it.
set -eu
umask 077
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
: "${PGHOST:?the database server}" "${PGUSER:?an administrator of it}"
: "${HOLDBACK_HOME:?the folder of the worker}" "${MLFLOW_ARTIFACTS:?the folder of the files of models}"
copy=$(cd "$1" && pwd)
case "$copy" in *.part) echo "$copy: this copy was not finished. Choose another." >&2; exit 6 ;; esac
(cd "$copy" && sha256sum --check --quiet SHA256SUMS) ||
  { echo "$copy: the copy is damaged. Choose another. Nothing was changed." >&2; exit 6; }

for folder in "$HOLDBACK_HOME" "$MLFLOW_ARTIFACTS"; do
  [ -z "$(ls -A "$folder" 2>/dev/null)" ] ||
    { echo "$folder: is not empty. Move what is there away first. Nothing was changed." >&2; exit 6; }
done
tables="select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
for database in holdback mlflow mlflow_auth prefect; do
  [ "$(psql --no-password -qtAX --dbname "$database" --command "$tables")" = 0 ] ||
    { echo "database $database: is not empty. Restore into new ones (databases.sql). Nothing was changed." >&2; exit 6; }
done

for database in holdback mlflow mlflow_auth prefect; do
  pg_restore --no-password --exit-on-error --single-transaction --dbname "$database" "$copy/$database.dump"
done
mkdir -p "$HOLDBACK_HOME" "$MLFLOW_ARTIFACTS"
tar --extract --preserve-permissions --file "$copy/holdback-files.tar" --directory "$HOLDBACK_HOME"
tar --extract --preserve-permissions --file "$copy/mlflow-files.tar" --directory "$MLFLOW_ARTIFACTS"
echo "$copy is restored. Before a worker starts: docs/in-a-company.md, \"After a restore\"."
