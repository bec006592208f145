#!/bin/sh
# Make the work pool, and tell Prefect's server which flows there are and when they run. Run it after every upgrade and
# after a change of the business file's time zone; run again, it changes nothing.
set -eu
cd "${HOLDBACK_ROOT:?the folder that holds infra/prefect.yaml}"
HOLDBACK_TIME_ZONE="${HOLDBACK_TIME_ZONE:-$(holdback business show time_zone)}"
HOLDBACK_SLUG="${HOLDBACK_SLUG:-$(holdback business show slug)}"  # deployments are called FLOW/SLUG
export HOLDBACK_TIME_ZONE HOLDBACK_SLUG
prefect --no-prompt work-pool inspect holdback >/dev/null 2>&1 ||
  prefect --no-prompt work-pool create holdback --type process
prefect --no-prompt deploy --all --prefect-file infra/prefect.yaml
