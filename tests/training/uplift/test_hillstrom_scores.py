"""Hillstrom's mail experiment of 2008, out of fold: 42,693 real customers, half of them mailed; did they visit?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from training.uplift.fitting import out_of_fold
from training.uplift.qini import Qini, qini
from training.uplift.trial import OutOfFold, Trial

COLUMNS = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "history_segment"]


def trial_of(mails: pd.DataFrame, segment: str) -> Trial:
    chosen = mails[mails["segment"].isin([segment, "No E-Mail"])]
    n, frame = len(chosen), chosen[COLUMNS].reset_index(drop=True)
    numbers = frame.select_dtypes("number").columns
    return Trial(
        action="mail",
        frame=frame.astype(dict.fromkeys(numbers, "float64")),
        customer_ids=np.array([f"r-{i:05d}" for i in chosen.index]),
        as_ofs=np.full(n, np.datetime64("2008-03-20")),
        treated=(chosen["segment"] == segment).to_numpy(),
        propensity=np.full(n, 0.5),
        good=chosen["visit"].to_numpy(dtype=np.float64),
        value_amounts=np.ones(n),
        cost_amounts=np.zeros(n),
        risk=np.full(n, np.nan),
    )


def qini_of(score: npt.NDArray[np.float64], trial: Trial, fold: npt.NDArray[np.intp]) -> Qini:
    """Qini of a score that is ranked within its fold first: scores of different folds come from different models."""
    ranks = np.empty(len(trial))
    for number in np.unique(fold):
        ranks[fold == number] = stats.rankdata(score[fold == number]) / (fold == number).sum()
    return qini(ranks, trial.treated, trial.good, trial.propensity)


@pytest.fixture(scope="module")
def women(shared_data: Callable[[str], Path]) -> tuple[Trial, OutOfFold]:
    trial = trial_of(pd.read_csv(shared_data("hillstrom") / "hillstrom.csv"), "Womens E-Mail")
    return trial, out_of_fold(trial, threads=1)


@pytest.mark.slow
def test_the_stack_orders_the_women_of_hillstrom(women: tuple[Trial, OutOfFold]) -> None:
    trial, said = women
    found = qini_of(said.scores["dr_stack"], trial, said.fold)
    # The study: 67 to 73e-4 for the best learners, standard error 9e-4.
    assert 1e4 * found.estimate >= 65
    assert 1e4 * found.low > 45


@pytest.mark.slow
def test_who_needs_it_most_is_not_whom_it_changes(women: tuple[Trial, OutOfFold]) -> None:
    trial, said = women
    risk, stack = (qini_of(said.scores[name], trial, said.fold) for name in ("risk", "dr_stack"))
    assert abs(1e4 * risk.estimate) < 25  # the study: 7 +- 9
    assert stack.low > risk.high
