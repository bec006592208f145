#!/bin/sh
# Run a command as a service that systemd runs: as its user, with its settings and its secrets, which systemd reads
# before it gives up root. Usage, as root: infra/as.sh SERVICE COMMAND...
#
#   infra/as.sh prefect-worker holdback doctor
#   infra/as.sh setup holdback warehouse setup
set -eu
[ $# -ge 2 ] || { echo "usage: $0 SERVICE COMMAND..." >&2; exit 2; }
service=$1
shift
settings=/etc/holdback/environment
[ -r "$settings/$service.env" ] ||
  { echo "$service: there is no $settings/$service.env. Nothing was run." >&2; exit 6; }
exec systemd-run --quiet --pipe --wait --collect --uid=holdback --gid=holdback --working-directory=/opt/holdback \
  --property=EnvironmentFile="$settings/common.env" --property=EnvironmentFile="$settings/$service.env" \
  --property=EnvironmentFile="-/etc/holdback/secrets/$service.env" \
  --setenv=PATH=/opt/holdback/.venv/bin:/usr/bin:/bin --property=UMask=0077 --property=PrivateTmp=yes "$@"
