"""Evidently's data drift preset as its manual writes it: ``python evidently_preset.py FOLDER COLUMN ...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def main() -> None:
    """Read both tables, run the preset, print the columns that it calls drifted."""
    folder, columns = Path(sys.argv[1]), sys.argv[2:]
    frames = [pd.read_parquet(sorted((folder / name).glob("*.parquet")), columns=columns)
              for name in ("described", "today")]  # fmt: skip
    definition = DataDefinition(
        numerical_columns=[name for name in columns if name.startswith("number")],
        categorical_columns=[name for name in columns if name.startswith("category")],
    )
    reference, current = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
    snapshot = Report([DataDriftPreset()]).run(current, reference)
    drifted = []
    for metric in snapshot.dict()["metrics"]:
        if metric["metric_name"].startswith("ValueDrift"):
            config = metric["config"]
            if metric["value"] >= config.get("threshold", 0.1):
                drifted.append(config["column"])
    print(json.dumps({"drifted": sorted(drifted)}))


if __name__ == "__main__":
    main()
