"""What speaks for training again: outcomes, never drift alone; and how often chance does."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.alerts import raise_alerts
from monitoring.proportions import wilson
from monitoring.retraining import LOOK_DAYS, YEARLY_ALPHA, Evidence, Promised, evidence, reasons_against
from monitoring.words import Words
from tests.monitoring.company import CHURN, judge, workspace_in
from training.delong import auc

Floats = npt.NDArray[np.float64]
TRAINED = date(2025, 1, 6)
FIRST = TRAINED + timedelta(days=1)
WINDOW = 28
PER_COHORT = 600
WEEKS = 9


# --- a world whose customers leave by chance, week after week ---------------------------------------------------------


@dataclass
class Customers:
    """So many customers who leave with a chance of their own per four weeks; who left is followed by one like him."""

    rng: np.random.Generator
    n: int = 2000
    _risk: Floats | None = None
    _leaves_on: Floats | None = None

    def cohort(self, day: int, factor: float = 1.0) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Return who of the customers of a day leaves within four weeks, and the risk that each really has."""
        if self._risk is None or self._leaves_on is None:
            self._risk = self.rng.beta(0.8, 6.0, self.n).clip(0.001, 0.95)
            self._leaves_on = self._stays(self._risk)
        gone = self._leaves_on < day
        self._leaves_on[gone] = day + self._stays(self._risk[gone])
        left = self._leaves_on < day + WINDOW
        # More of the others leave than they should: what was said of them stays.
        extra = self.rng.random(self.n) < np.clip(self._risk * (factor - 1), 0, 1)
        return left | extra, self._risk.copy()

    def _stays(self, risk: Floats) -> Floats:
        return self.rng.exponential(-WINDOW / np.log1p(-risk))


def _promised(customers: Customers) -> Promised:
    """What the gate of an honest model writes down: its figures on a holdout of its own."""
    left, risk = customers.cohort(0)
    learned = Customers(customers.rng, 6000).cohort(0)[0]
    return Promised(auc(left, risk), wilson(int(learned.sum()), learned.size))


def _is_spoken_against_within_a_year(rng: np.random.Generator) -> bool:
    promised = _promised(Customers(rng))
    customers = Customers(rng)
    return any(reasons_against(*customers.cohort(LOOK_DAYS * week), promised) for week in range(52))


def _most(worlds: int) -> int:
    """At most so many worlds in which chance speaks, when it does in 5 % of them (99.9 % quantile of the binomial)."""
    return int(stats.binom.ppf(0.999, worlds, YEARLY_ALPHA))


def test_a_model_as_good_as_promised_is_left_alone_for_a_year() -> None:
    worlds = 20
    found = sum(_is_spoken_against_within_a_year(np.random.default_rng([1, world])) for world in range(worlds))
    assert found <= _most(worlds)


@pytest.mark.slow
@pytest.mark.truth
def test_chance_speaks_against_a_good_model_in_at_most_one_year_of_twenty() -> None:
    worlds = 300
    found = sum(_is_spoken_against_within_a_year(np.random.default_rng([2, world])) for world in range(worlds))
    assert found <= _most(worlds)


@pytest.mark.parametrize("decay", ["ranks_worse", "predicts_too_few", "more_leave"])
def test_decay_is_found_by_the_first_cohort_that_shows_it(decay: str) -> None:
    # Of 4,000 customers 480 leave. Ranking: AUC .78 falls to .5, standard errors .010 and .014: .28 lies 15 of them
    # beyond the margin, and chance is given 3.6. Leaving: 2.2 times as many; the logarithm of 2.2 / 1.5 is 8 standard
    # errors (.047) long. Each is found in practically every world.
    found = 0
    for world in range(20):
        rng = np.random.default_rng([3, world])
        promised = _promised(Customers(rng, 4000))
        left, risk = Customers(rng, 4000).cohort(0, 2.6 if decay != "ranks_worse" else 1.0)
        if decay == "ranks_worse":
            risk = rng.permutation(risk)
        found += decay in {reason.kind for reason in reasons_against(left, risk, promised)}
    assert found == 20


def test_what_changed_too_little_to_matter_is_no_reason_however_many_customers_show_it() -> None:
    rng = np.random.default_rng(4)
    promised = _promised(Customers(rng, 200_000))
    left, risk = Customers(rng, 200_000).cohort(0, 1.15)
    assert reasons_against(left, risk, promised) == ()


# --- a company whose outcomes are in its tables -----------------------------------------------------------------------


def _company(folder: Path, *, decays_in_week: int | None = None, per_cohort: int = PER_COHORT) -> Workspace:
    """Nine weekly cohorts of a model in office; from a week on its scores say nothing.

    Customers of a cohort bought ten days before it was scored; who stays buys five days after. One customer buys every
    day, so that the data reach wherever they must.
    """
    shop = workspace_in(folder, customers=None)
    rng = np.random.default_rng(5)
    model = f"{shop.business.slug}-{CHURN}"
    shop.journal.crown(model, "1", seen=None, as_of=TRAINED)
    bought: list[tuple[str, date]] = [("clock", FIRST + timedelta(days=day)) for day in range(-20, 7 * WEEKS + 60)]
    scores = []
    for week in range(WEEKS):
        day = FIRST + timedelta(days=7 * week)
        risk = rng.uniform(0.05, 0.55, per_cohort)
        left = rng.random(per_cohort) < risk
        said = risk if decays_in_week is None or week < decays_in_week else rng.permutation(risk)
        for number in range(per_cohort):
            name = f"c{week}-{number}"
            bought.append((name, day - timedelta(days=10)))
            bought += [] if left[number] else [(name, day + timedelta(days=5))]
            scores.append(
                {"as_of": day, "customer_id": name, "churn": CHURN, "model_version": "1", "probability": said[number],
                 "risk_tier": "low", "is_above_capacity_line": False}
            )  # fmt: skip
        if week == 0:
            promise = auc(left, risk)
    at = [datetime(day.year, day.month, day.day, 9) for _, day in bought]
    tills = {
        "customer_id": [name for name, _ in bought], "event_at": pa.array(at, pa.timestamp("us")),
        "amount_cents": [100] * len(bought), "order_id": [f"t{n}" for n in range(len(bought))],
        "channel": ["web"] * len(bought), "batch_id": ["all"] * len(bought), "row_number": list(range(len(bought))),
        "loaded_at": pa.array([moment + timedelta(hours=12) for moment in at], pa.timestamp("us")),
    }  # fmt: skip
    shop.warehouse.append("tills", pa.table(tills), batch="all")
    shop.warehouse.append("scores", rows_of(TABLES["scores"], scores), batch="scores")
    judge(shop, TRAINED, version="1", auc=promise.estimate)
    return shop


def _asked(shop: Workspace, day: date) -> Evidence:
    return evidence(shop, shop.business.churn_named(CHURN), day)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model that stays as good as it was."""
    return _company(tmp_path_factory.mktemp("steady"))


@pytest.fixture(scope="module")
def decayed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model whose scores say nothing from its fourth week on."""
    return _company(tmp_path_factory.mktemp("decayed"), decays_in_week=3)


DECAYED = FIRST + timedelta(days=21)
KNOWN = DECAYED + timedelta(days=WINDOW + 1)  # what proves that the data reach the window's end is loaded by then


def test_drift_alone_starts_nothing(steady: Workspace) -> None:
    day = FIRST + timedelta(days=7 * 5 + WINDOW + 1)
    rows = [{"as_of": day, "metric": "drifted_features", "about": "", "value": 14.0}]
    steady.warehouse.append("daily_metrics", rows_of(TABLES["daily_metrics"], rows), batch="drift")
    found = _asked(steady, day)
    assert (found.reasons, found.is_due, found.drifted_features) == ((), False, 14)
    assert found.asked_on == FIRST + timedelta(days=7 * 5)
    assert "For context: 14 features drifted. Drift alone is no reason." in str(found)


def test_before_the_first_outcome_it_says_when(steady: Workspace) -> None:
    found = _asked(steady, FIRST + timedelta(days=10))
    assert (found.waits_for, found.until) == ("window", FIRST + timedelta(days=WINDOW + 1))
    assert "before 5\u00a0February\u00a02025" in found.sentences(Words("en"))[0]
    assert "antes del 5 de febrero de 2025" in found.sentences(Words("es"))[0]


def test_without_a_model_nothing_speaks_against_it(tmp_path: Path) -> None:
    assert _asked(workspace_in(tmp_path, customers=None), FIRST).waits_for == "model"


def test_few_outcomes_say_nothing(tmp_path: Path) -> None:
    shop = _company(tmp_path, decays_in_week=0, per_cohort=60)
    found = _asked(shop, KNOWN)
    assert (found.waits_for, found.is_due) == ("labels", False)
    assert "100 must have left and stayed" in str(found)


def test_decay_is_told_on_the_day_its_outcomes_are_known_and_not_before(decayed: Workspace) -> None:
    before, found = _asked(decayed, KNOWN - timedelta(days=1)), _asked(decayed, KNOWN)
    assert before.reasons == ()
    assert (found.is_due, found.asked_on) == (True, DECAYED)
    assert [reason.kind for reason in found.reasons] == ["ranks_worse"]
    assert "It ranks worse than promised: AUC 0." in str(found)


def test_between_two_looks_nothing_is_asked_anew(decayed: Workspace) -> None:
    looks = {_asked(decayed, KNOWN + timedelta(days=number)).asked_on for number in range(7)}
    assert looks == {DECAYED}


def test_a_proposal_is_made_once_stays_open_and_ends_with_a_training(tmp_path: Path) -> None:
    shop = _company(tmp_path, decays_in_week=3)
    told = []
    for number in range(-1, 30):
        day = KNOWN + timedelta(days=number)
        if number == 10:  # trained, and the gate kept the old model
            judge(shop, day, version="2", run_id="later")
        now = datetime(day.year, day.month, day.day, 10)
        raise_alerts(shop, day, now=now, environment={}, wait=lambda _: None)
        rows = shop.warehouse.query(
            "select state from alerts where rule = 'retraining_proposed' order by sequence"
        ).to_pylist()
        told.append([row["state"] for row in rows if row["state"] != "seen_again"])
    assert told[0] == []
    assert told[1:11] == [["raised"]] * 10
    # The training's cool-down is 14 days, and only what came after it counts: it is proposed again, and not before.
    assert told[11:25] == [["raised", "over"]] * 14
    assert told[25] == ["raised", "over", "raised"]


def test_within_the_cool_down_of_a_training_it_says_so(tmp_path: Path) -> None:
    shop = _company(tmp_path, decays_in_week=3)
    judge(shop, KNOWN - timedelta(days=3), version="2", run_id="later")
    found = _asked(shop, KNOWN)
    assert (found.waits_for, found.until, found.is_due) == ("cooldown", KNOWN + timedelta(days=11), False)
    assert "not before" in str(found)


def test_a_training_that_failed_is_not_tried_again_each_night(tmp_path: Path) -> None:
    shop = _company(tmp_path, decays_in_week=3)
    object.__setattr__(shop.business.training, "retrain", "start")
    assert _asked(shop, KNOWN).is_due
    at = datetime(2026, 1, 1)
    shop.journal.start_run(
        "r", flow="retrain", business="shop", as_of=KNOWN - timedelta(days=1), inputs_key="", owner="x", now=at,
        subject=CHURN,
    )  # fmt: skip
    shop.journal.end_run("r", now=at, receipt=None, error="the registry is away.")
    found = _asked(shop, KNOWN)
    assert (found.waits_for, found.until, found.is_due) == ("cooldown", KNOWN + timedelta(days=13), False)


@pytest.mark.slow
def test_a_flow_that_may_start_trains_once_and_says_why(tmp_path: Path) -> None:
    from flows.steps import retrain_if_needed_step

    shop = _company(tmp_path, decays_in_week=3)
    day = KNOWN + timedelta(days=14)  # there is enough to learn from
    done, again = retrain_if_needed_step(shop, day), retrain_if_needed_step(shop, day)
    assert done.receipt["evidence"].startswith("Evidence speaks for training the model of lapsed again.")
    assert done.receipt["decision"] in ("promote", "keep", "blocked")
    assert again.receipt["waits"].startswith(("Evidence speaks for", "Nothing can be said"))
    assert len([run for run in shop.journal.runs() if run.flow == "retrain"]) == 1
