"""Prefect flows and the command line: the only package that knows Prefect, reads the clock and the environment.

Whoever imports any of it tells nobody so: vendors read these settings when they are imported, in workers as well, which
come here without the command line.
"""

import os

#: What keeps each vendor from telling its makers that it is used. A value that is already set wins.
UNTRACKED = {
    "DO_NOT_TRACK": "true",  # the one word that Evidently, Prefect and MLflow all understand
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
}

os.environ.update({name: value for name, value in UNTRACKED.items() if name not in os.environ})
