"""The ridge final against econml's DRLearner, which nobody here wrote: a test oracle, not a dependency."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.uplift.fitting import fit
from training.uplift.trial import Trial

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[2] / ".venv-econml"


@pytest.fixture(scope="module")
def oracle() -> Path:
    """The Python of the oracle's environment, which is built once and kept."""
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "ready"
    if not ready.exists():
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(HERE / "econml-requirements.txt")]
        for command in ([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], install):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"econml cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        ready.touch()
    return python


@pytest.mark.slow
def test_the_ridge_final_agrees_with_econmls(oracle: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(21)
    n, width = 12_000, 10
    x, fresh = rng.normal(size=(n, width)), rng.normal(size=(5000, width))
    treated = rng.random(n) < 0.5
    stay = 1 / (1 + np.exp(-1 - 0.6 * x[:, 0] + 0.4 * x[:, 1]))
    gain = (0.05 + 0.06 * x[:, 2] - 0.05 * x[:, 3]) * 4 * stay * (1 - stay)
    good = (rng.random(n) < stay + treated * gain).astype(float)
    np.savez(tmp_path / "in.npz", x=x, fresh=fresh, treated=treated, good=good)
    subprocess.run(
        [str(oracle), str(HERE / "econml_oracle.py"), str(tmp_path / "in.npz"), str(tmp_path / "out.npy")],
        check=True,
        env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
    )
    columns = [f"x{i}" for i in range(width)]
    ones = np.ones(n)
    trial = Trial(
        action="call",
        frame=pd.DataFrame(x, columns=columns),
        customer_ids=np.array([f"c-{i:05d}" for i in range(n)]),
        as_ofs=np.full(n, np.datetime64("2026-01-01")),
        treated=treated,
        propensity=ones / 2,
        good=good,
        value_amounts=ones,
        cost_amounts=0 * ones,
        risk=1 - stay,
    )
    ours = fit(trial, threads=1).model.bases(pd.DataFrame(fresh, columns=columns), ["ridge"])["ridge"]
    theirs = np.load(tmp_path / "out.npy")
    correlation = np.corrcoef(ours, theirs)[0, 1]
    print(f"correlation of the ridge finals: {correlation:.4f}")
    # Same formula, other outcome models and other folds: the study measured .993.
    assert correlation > 0.98
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.005)
