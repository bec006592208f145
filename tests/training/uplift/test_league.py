"""Who is promoted and who is not: the rule by hand, its error in worlds of noise, its power, and what is handed on."""

import json

import numpy as np
import pytest

from holdback.errors import NotKnowableYet
from tests.training.uplift.leagues import league_of, taught_by_each_other
from training.estimates import Estimate
from training.uplift.gain import Difference, measure_gains
from training.uplift.league import QINI_DEFINITION, Standing, line_of, ranked_within_folds, run_league, winner_of
from training.uplift.trial import OutOfFold, Trial
from training.uplift.visibility import visibility_of


def standing(name: str, gain: float, low: float | None) -> Standing:
    """A competitor with a gain, and a lower bound against the incumbent (None: the incumbent)."""
    against = None if low is None else Difference("x", 0.0, 1.0, low, 9.0, 0.5, 100, "")
    over = Difference("random, same size", 0.0, 1.0, -1.0, 1.0, 1.0, 100, "")
    return Standing(name, Estimate(gain, gain - 1, gain + 1, 100, ""), 0.3, against, over, None, (0.0, 1.0))


@pytest.mark.parametrize(
    ("standings", "winner"),
    [
        ([("dr_stack", 3.0, 0.1), ("response", 2.0, 0.2), ("rule", 1.0, None)], "dr_stack"),  # earns most
        ([("dr_stack", 3.0, -0.1), ("response", 2.0, 0.2), ("rule", 1.0, None)], "response"),  # among those told apart
        ([("dr_stack", 2.0, 0.1), ("response", 3.0, -0.1), ("rule", 1.0, None)], None),  # something simpler earned more
        ([("dr_stack", 2.0, 0.1), ("response", 2.0, 0.1), ("rule", 1.0, None)], "response"),  # as much: the simpler one
        ([("house", 2.0, 0.1), ("dr_stack", 2.0, 0.1), ("rule", 1.0, None)], "dr_stack"),  # a company's own comes last
        ([("house", 3.0, 0.1), ("dr_stack", 2.0, 0.1), ("rule", 1.0, None)], "house"),
        ([("t_learner", 3.0, 0.1), ("dr_stack", 2.0, 0.1), ("rule", 1.0, None)], "dr_stack"),  # made of the same parts
        ([("t_learner", 3.0, 0.1), ("dr_stack", 2.0, -0.1), ("rule", 1.0, None)], "t_learner"),
        ([("response", 3.0, 0.1), ("dr_stack", 2.0, 0.1), ("rule", 1.0, None)], "response"),
        ([("random", 3.0, 0.1), ("rule", 1.0, None)], None),  # a yardstick
        ([("value", 3.0, 0.1), ("random", 2.0, 0.1), ("rule", 1.0, None)], "value"),
        ([("value", -1.0, 0.1), ("rule", -2.0, None)], None),  # better than the incumbent, worse than nobody
        ([("dr_stack", 3.0, 0.0), ("rule", 1.0, None)], None),
        ([("rule", 1.0, None)], None),
    ],
)
def test_the_rule_by_hand(standings: list[tuple[str, float, float | None]], winner: str | None) -> None:
    for order in (standings, standings[::-1]):
        found = winner_of(tuple(standing(*each) for each in order))
        assert (None if found is None else found.name) == winner


def differing(
    rng: np.random.Generator, n: int, *, slope: float, noise: float = 1.0, foreseen: float = 0.3
) -> tuple[Trial, OutOfFold]:
    """Effects .1 + slope x that dr_stack knows, t_learner knows half of, risk nothing of."""
    x, z = rng.normal(size=n), rng.normal(size=n)
    untreated = 0.7 + foreseen * np.clip(z, -2, 2) / 2
    good = (rng.random(n) < untreated).astype(float)
    scores = {
        "random": rng.random(n), "value": np.full(n, 0.1), "risk": -untreated,
        "t_learner": 0.1 + slope * (x + rng.normal(size=n)), "dr_stack": 0.1 + slope * x,
    }  # fmt: skip
    gains = 0.1 + slope * x + noise * rng.normal(size=n)
    return league_of(scores, gains, good=good, untreated=untreated, fold=np.arange(n) % 3)


def test_a_true_ranking_is_promoted_and_by_how_much_is_told() -> None:
    """The best 30 % of a normal effect of deviation .2 earn .3 * .1 + .2 * .3477; risk earns .3 * .1."""
    league = run_league(*differing(np.random.default_rng(111), 20_000, slope=0.2), incumbent="risk", capacity_share=0.3)
    assert league.winner == "dr_stack"
    best = league.standings[0]
    assert best.name == "dr_stack"
    assert best.against_incumbent is not None
    assert best.against_incumbent.low <= 0.2 * 0.3477 <= best.against_incumbent.high
    assert best.gain.low <= 0.03 + 0.2 * 0.3477 <= best.gain.high
    assert league.verdict.startswith("promoted: dr_stack earns 0.0")
    assert f"{best.against_incumbent.low:.4g}" in league.verdict
    assert league.diagnosis.is_heterogeneous
    assert league.quintiles.competitor == "dr_stack"
    assert league.is_learnable


def test_no_difference_between_customers_leaves_the_incumbent_where_it_is() -> None:
    league = run_league(*differing(np.random.default_rng(112), 5000, slope=0.0), incumbent="risk", capacity_share=0.3)
    assert league.winner is None
    assert league.verdict.startswith("no evidence: treat by value, keep exploring (best challenger of risk:")


def test_where_a_good_ranking_could_not_be_seen_nobody_is_promoted() -> None:
    """Noise of 30 beside effects of .2: what seems to win has won by luck."""
    trial, said = differing(np.random.default_rng(113), 5000, slope=0.2, noise=30.0)
    lucky = {**said.scores, "house": said.gains}  # which looked at the answer
    league = run_league(
        trial,
        OutOfFold(lucky, said.effects, said.gains, said.untreated, said.fold),
        incumbent="risk",
        capacity_share=0.3,
    )
    house = next(each for each in league.standings if each.name == "house")
    assert house.against_incumbent is not None
    assert house.against_incumbent.is_above_zero
    assert league.winner is None
    assert not league.is_learnable
    assert league.verdict.startswith("not learnable here")


def test_a_difference_beyond_doubt_counts_although_nothing_foretold_it() -> None:
    """No average effect and an outcome that nothing foresees: a ranking would be worth nothing. It is not so."""
    rng = np.random.default_rng(121)
    x = rng.normal(size=5000)
    trial, said = league_of(
        {"risk": rng.random(5000), "dr_stack": x}, x - x.mean() + rng.normal(size=5000), good=rng.random(5000) < 0.5
    )
    league = run_league(trial, said, incumbent="risk", capacity_share=0.3, resamples=200)
    assert league.visibility.is_blind
    assert league.diagnosis.is_beyond_doubt
    assert league.is_learnable
    assert league.winner == "dr_stack"


def test_what_a_good_ranking_is_worth_and_what_can_be_seen() -> None:
    """Untreated outcomes foreseen exactly, sd s: the best c by them are worth phi(z_c) s; visible by formula."""
    n, c = 40_000, 0.3
    rng = np.random.default_rng(114)
    untreated = 0.5 + 0.1 * rng.normal(size=n)
    gains = rng.normal(size=n)
    trial, said = league_of({"rule": np.ones(n)}, gains, good=untreated, untreated=untreated)
    found = visibility_of(trial, said, capacity_share=c, competitor_count=1)
    assert found.worth == pytest.approx(0.1 * 0.34769, rel=0.02)
    assert found.visible == pytest.approx((1.95996 + 0.84162) * np.sqrt(c * (1 - c) / n), rel=0.02)
    # A forecast of pure noise foresees nothing, whatever its spread; then half of the average effect counts.
    trial, said = league_of({"rule": np.ones(n)}, gains + 1, good=rng.random(n), untreated=untreated)
    assert visibility_of(trial, said, capacity_share=c, competitor_count=1).worth == pytest.approx(
        0.34769 * 0.5, rel=0.03
    )
    everybody = visibility_of(trial, said, capacity_share=1.0, competitor_count=1)
    assert not everybody.is_blind, "nothing is ranked when everybody is treated"


def test_a_line_turns_a_score_into_an_effect() -> None:
    score = np.array([1.0, 2.0, 3.0, 11.0, 12.0, 13.0])
    gains = 0.5 * np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])  # the second model's scores are 10 higher
    _, said = league_of({"a": score, "b": -score, "c": np.ones(6)}, gains, fold=[0, 0, 0, 1, 1, 1])
    intercept, slope = line_of(said.scores["a"], said)
    assert slope == pytest.approx(0.5)
    assert intercept + slope * score.mean() == pytest.approx(gains.mean())
    for name in "bc":
        assert list(line_of(said.scores[name], said)) == pytest.approx([gains.mean(), 0.0])


def test_ranks_are_taken_within_folds_and_ties_share_their_places() -> None:
    ranked = ranked_within_folds(np.array([5.0, 5.0, 7.0, 9.0, 100.0, 300.0]), np.array([0, 0, 0, 0, 1, 1]))
    assert ranked == pytest.approx([0.25, 0.25, 0.625, 0.875, 0.25, 0.75])


def test_it_can_be_written_down() -> None:
    league = run_league(
        *differing(np.random.default_rng(115), 3000, slope=0.2), incumbent="risk", capacity_share=0.3, resamples=100
    )
    plain = json.loads(json.dumps(league.as_dict(), allow_nan=False))
    assert plain["qini_definition"] == QINI_DEFINITION
    assert [each["name"] for each in plain["standings"]] == [each.name for each in league.standings]
    table = league.as_table()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert len({tuple(row) for row in table}) == 1, "every row has the same columns"
    assert [row["gain"] for row in table] == sorted((row["gain"] for row in table), reverse=True)
    value = next(row for row in table if row["competitor"] == "value")
    assert value["qini"] is None, "it orders nobody where all are worth the same"
    page = league.to_markdown()
    assert league.verdict in page
    assert QINI_DEFINITION in page
    assert f"| {league.winner} (winner) |" in page
    assert all(sentence in page for sentence in league.diagnosis.sentences)


def test_the_same_seed_gives_the_same_league() -> None:
    asked = differing(np.random.default_rng(116), 1000, slope=0.1)
    one, same, other = (
        run_league(*asked, incumbent="risk", capacity_share=0.3, resamples=50, seed=seed).as_dict()
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_whoever_is_in_office_must_compete_and_few_customers_must_wait() -> None:
    with pytest.raises(ValueError, match="incumbent 'nobody' does not compete"):
        run_league(*league_of({"risk": np.arange(50)}, np.arange(50)), incumbent="nobody", capacity_share=0.3)
    with pytest.raises(NotKnowableYet, match="20 customers"):
        run_league(*league_of({"risk": np.arange(20)}, np.arange(20)), incumbent="risk", capacity_share=0.3)


def test_a_league_of_one_is_no_evidence() -> None:
    rng = np.random.default_rng(117)
    trial, said = league_of(
        {"risk": rng.random(400)}, 0.1 * rng.normal(size=400), untreated=rng.random(400), good=np.arange(400) % 2
    )
    league = run_league(trial, said, incumbent="risk", capacity_share=0.3, resamples=50)
    assert league.winner is None
    assert league.standings[0].against_incumbent is None


@pytest.mark.slow
@pytest.mark.truth
def test_intervals_hold_for_all_challengers_at_once() -> None:
    """2,000 worlds of noise, five fixed scores: any interval misses zero in at most 5 %, 3 errors and half a point.

    Without correction any of four would in about 15 %.
    """
    rng = np.random.default_rng(118)
    worlds, missed, alone = 2000, 0, 0
    for _ in range(worlds):
        scores = {name: rng.random(400) for name in "abcde"}
        trial, said = league_of(scores, rng.normal(size=400) + 0.1, fold=np.arange(400) % 3)
        gains = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=200)
        against = gains.against("a").values()
        missed += any(each.is_told_apart for each in against)
        alone += any(abs(each.estimate) > 1.96 * each.standard_error for each in against)
    assert missed / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds) + 0.005
    assert alone / worlds > 0.10


@pytest.mark.slow
@pytest.mark.truth
def test_scores_learned_from_noise_are_rarely_promoted() -> None:
    """1,000 worlds without effect, three scores learned out of fold from the customers who judge them.

    At most 5 % and 3 binomial errors. Outcomes are foreseen well, so no world is too small to see anything.
    """
    rng = np.random.default_rng(119)
    worlds, promoted, blind = 1000, 0, 0
    for _ in range(worlds):
        first, gains, fold = taught_by_each_other(rng, 400, features=10)
        second = first + 0.5 * first.std() * rng.normal(size=400)
        scores = {"rule": rng.random(400), "s_learner": second, "t_learner": first - first.min(), "dr_stack": first}
        untreated = np.repeat([0.0, 1.0], 200)
        trial, said = league_of(scores, gains, fold=fold, untreated=untreated, good=untreated)
        league = run_league(trial, said, incumbent="rule", capacity_share=0.3, resamples=100)
        promoted += league.winner is not None
        blind += not league.is_learnable
    assert blind == 0
    assert promoted / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


@pytest.mark.slow
@pytest.mark.truth
def test_a_true_ranking_is_promoted_as_often_as_its_size_allows() -> None:
    """200 worlds of 2,000: gain over risk .3477 * .2 = .07, error sqrt(.42 / 2,000) = .0145: 4.8 errors, needs 2.5."""
    rng = np.random.default_rng(120)
    winners = [
        run_league(*differing(rng, 2000, slope=0.2), incumbent="risk", capacity_share=0.3, resamples=200).winner
        for _ in range(200)
    ]
    assert np.mean([winner is not None for winner in winners]) > 0.9
    assert np.mean([winner == "dr_stack" for winner in winners]) > 0.8


def test_where_an_action_costs_and_changes_nobody_whoever_declines_wins_not_a_ranking_of_noise() -> None:
    winners = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = 3000
        noise = rng.normal(size=n) * 0.3
        scores = {
            "rule": rng.normal(size=n), "value": np.zeros(n), "random": rng.random(n),
            "t_learner": 0.6 * rng.normal(size=n), "dr_stack": np.full(n, 1e-3),
        }  # fmt: skip
        trial, heard = league_of(scores, noise, cost=0.25, fold=np.arange(n) % 3)
        winners.append(run_league(trial, heard, incumbent="rule", capacity_share=0.3, resamples=200).winner)
    assert set(winners) <= {"value", None}
    assert winners.count("value") >= 18


def test_a_plain_learner_makes_way_for_the_stack_as_soon_as_that_earns_as_much() -> None:
    rng = np.random.default_rng(3)
    effect = rng.normal(size=2000)
    scores = {"dr_stack": effect, "t_learner": effect + 0.1 * rng.normal(size=2000), "risk": rng.normal(size=2000)}
    trial, heard = league_of(scores, effect + 0.1 * rng.normal(size=2000))
    league = run_league(trial, heard, incumbent="t_learner", capacity_share=0.3, resamples=200)
    assert league.heir("t_learner") == "dr_stack"
    assert league.heir("dr_stack") == "dr_stack"
    assert league.heir("risk") == "risk"
