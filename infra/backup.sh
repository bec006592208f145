#!/bin/sh
# Copy what cannot be made again: four databases, then the files. Usage: backup.sh FOLDER
#
#   set -a; . infra/secrets/postgres.env; set +a
#   PGHOST=postgres PGUSER=postgres PGPASSWORD=$POSTGRES_PASSWORD HOLDBACK_HOME=/var/lib/holdback \
#     MLFLOW_ARTIFACTS=/var/lib/mlflow/artifacts infra/backup.sh /srv/backups
#
# The order is the point: databases name files, and files are only ever added. Databases first, files afterwards: then
# every file that a database names is in the copy. The other way round some would be missing. No service needs to stop;
# take it when no flow runs all the same, so that the four databases tell of one moment. Try each copy: restore.sh.
set -eu
umask 077
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
: "${PGHOST:?the database server}" "${PGUSER:?an administrator of it}"
: "${HOLDBACK_HOME:?the folder of the worker}" "${MLFLOW_ARTIFACTS:?the folder of the files of models}"
for folder in "$1" "$HOLDBACK_HOME" "$MLFLOW_ARTIFACTS"; do
  [ -d "$folder" ] || { echo "$folder: there is no such folder. Nothing was copied." >&2; exit 6; }
done

name=$(date -u +%Y%m%dT%H%M%SZ)
part="$1/$name.part"
mkdir "$part"
for database in holdback mlflow mlflow_auth prefect; do
  pg_dump --no-password --format=custom --file "$part/$database.dump" "$database"
done

# Exit code 1 of tar: a file grew while it was read (a receipt was added); what it was before is in the copy.
packed() {
  tar --create --file "$part/$1" --directory "$2" --exclude=./prefect --exclude=./logs --exclude=./tmp \
    --exclude='./*/mirror' --exclude='./*/locks' . || [ $? -eq 1 ]
}
packed holdback-files.tar "$HOLDBACK_HOME"
packed mlflow-files.tar "$MLFLOW_ARTIFACTS"

(cd "$part" && sha256sum -- *.dump *.tar > SHA256SUMS)
sync
mv "$part" "$1/$name"  # a folder without .part is whole
echo "$1/$name"
