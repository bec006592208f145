"""Effects by tea-tasting on pandas as its manual writes it: ``python tea_tasting_effects.py FILE METRICS``.

METRICS is JSON: a list of ``name, numerator, denominator, covariate`` (the last two may be null).
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
import tea_tasting as tt


def main() -> None:
    """Read the customers, analyze the experiment, print effects with their intervals, and what that cost."""
    file, metrics = sys.argv[1], json.loads(sys.argv[2])
    asked = {}
    for name, numerator, denominator, covariate in metrics:
        if denominator is None:
            asked[name] = tt.Mean(numerator, covariate=covariate)
        else:
            asked[name] = tt.RatioOfMeans(numerator, denominator)
    columns = sorted({column for _, *named in metrics for column in named if column is not None})
    before = time.process_time()
    rows = pd.read_parquet(file, columns=["variant", *columns])
    found = tt.Experiment(asked, variant="variant").analyze(rows, control=0)
    spent = time.process_time() - before
    effects = {
        name: [one.effect_size, one.effect_size_ci_lower, one.effect_size_ci_upper] for name, one in found.items()
    }
    print(json.dumps({"cpu_seconds": spent, "effects": effects}))


if __name__ == "__main__":
    main()
