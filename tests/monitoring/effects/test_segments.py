"""Effects by segment: known answers, and worlds in which the best segment is mostly luck."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects  # type: ignore[import-untyped]  # it ships no types

from monitoring.effects.segments import random_effects, shrink_segments

#: Rubin (1981): effect of coaching on the SAT in eight schools.
SCHOOLS = dict(
    zip("ABCDEFGH", zip((28, 8, -3, 7, -1, 1, 18, 12), (15, 10, 16, 11, 9, 11, 10, 18), strict=True), strict=True)
)
#: Colditz et al. (1994): tuberculosis with and without BCG: cases and others, vaccinated, then not vaccinated.
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
        (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232),
        (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip


def bcg() -> tuple[np.ndarray, np.ndarray]:
    """Log risk ratios and their standard errors."""
    a, b, c, d = BCG.T
    return np.log(a / (a + b)) - np.log(c / (c + d)), np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def test_the_eight_schools_give_their_known_answers() -> None:
    """Gelman, Bayesian Analysis 1 (2006): half-Cauchy(25) on tau; figures by numeric integration (statistics 3i)."""
    found = shrink_segments(SCHOOLS, scale=25.0)
    assert found.mu == pytest.approx(7.9, abs=0.05)
    assert found.tau == pytest.approx(5.9, abs=0.05)
    assert found.segments[0].estimate == pytest.approx(10.9, abs=0.05)
    assert found.mu_low < 0 < found.mu_high


def test_the_eight_schools_agree_with_a_sampler() -> None:
    """The same model by drawing tau, mu and theta in turn: 400,000 draws, tolerance five Monte Carlo errors."""
    y, se = np.array(list(SCHOOLS.values()), dtype=float).T
    rng = np.random.default_rng(1)
    taus = np.linspace(0.001, 200, 20_000)
    between = taus[:, None] ** 2 + se**2
    v = 1 / (1 / between).sum(axis=1)
    mus = v * (y / between).sum(axis=1)
    log_p = 0.5 * np.log(v) - 0.5 * (np.log(between) + (y - mus[:, None]) ** 2 / between).sum(axis=1)
    log_p += stats.halfcauchy.logpdf(taus, scale=25)
    p = np.exp(log_p - log_p.max())
    at = rng.choice(len(taus), 400_000, p=p / p.sum())
    mu = rng.normal(mus[at], np.sqrt(v[at]))
    precision = 1 / se[0] ** 2 + 1 / taus[at] ** 2
    theta = rng.normal((y[0] / se[0] ** 2 + mu / taus[at] ** 2) / precision, 1 / np.sqrt(precision))
    found = shrink_segments(SCHOOLS, scale=25.0).segments[0]
    assert found.estimate == pytest.approx(theta.mean(), abs=5 * theta.std() / np.sqrt(400_000))
    assert found.low == pytest.approx(np.quantile(theta, 0.025), abs=0.15)
    assert found.high == pytest.approx(np.quantile(theta, 0.975), abs=0.15)


def test_the_bcg_trials_give_their_known_answers() -> None:
    """DerSimonian and Laird: tau^2 .3088, mu -.7141, se .1787; Paule and Mandel: tau^2 .3181 (metafor's manual)."""
    laird, mandel = random_effects(*bcg(), method="dl"), random_effects(*bcg(), method="pm")
    assert laird.tau_squared == pytest.approx(0.3088, abs=5e-5)
    assert laird.mu == pytest.approx(-0.7141, abs=5e-5)
    assert laird.standard_error == pytest.approx(0.1787, abs=5e-5)
    assert mandel.tau_squared == pytest.approx(0.3181, abs=5e-5)


def test_both_estimators_agree_with_statsmodels() -> None:
    """Where the variance is above zero: it does not cut DerSimonian and Laird's off there, and stops Paule and Mandel
    early."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        errors = rng.uniform(0.5, 2, 7)
        effects = rng.normal(1, np.hypot(errors, 4))
        for method, theirs, tolerance in (("dl", "chi2", 1e-9), ("pm", "iterated", 1e-5)):
            expected = combine_effects(effects, errors**2, method_re=theirs)
            found = random_effects(effects, errors, method=method)  # type: ignore[arg-type]
            assert found.tau_squared == pytest.approx(expected.tau2, rel=tolerance)


def test_effects_alike_have_no_variance() -> None:
    found = random_effects([1.0, 1.1, 0.9], [1.0, 1.0, 1.0])
    assert found.tau_squared == 0
    assert found.mu == pytest.approx(1.0)


def test_without_a_scale_segments_are_expected_to_lie_a_standard_error_apart() -> None:
    """So the same figures in cents and in units say the same."""
    cents = shrink_segments(SCHOOLS)
    units = shrink_segments({name: (d / 100, se / 100) for name, (d, se) in SCHOOLS.items()})
    assert cents.scale == 11.0
    assert [segment.estimate / 100 for segment in cents.segments] == pytest.approx([s.estimate for s in units.segments])
    assert cents.tau / 100 == pytest.approx(units.tau)


def test_q_values_are_benjamini_and_hochbergs() -> None:
    """Their own table (1995, section 3.1) in its first places: p times m over the rank, made monotone."""
    p = np.array([0.0001, 0.0004, 0.0019, 0.0095, 0.0201])
    raw = {str(i): (float(stats.norm.isf(each / 2)), 1.0) for i, each in enumerate(p)}
    found = shrink_segments(raw, scale=1.0)
    assert [segment.q_value for segment in found.segments] == pytest.approx(p * 5 / np.arange(1, 6))


def test_a_harmed_segment_is_on_the_list_and_a_lucky_loser_is_not() -> None:
    """Churn: above zero is harm. The same raw +4 points are harm when precise and luck when not."""
    others = {f"s{i}": (-0.02, 0.004) for i in range(6)}
    precise = shrink_segments(others | {"x": (0.04, 0.005)}, scale=0.01, is_good_when_lower=True)
    vague = shrink_segments(others | {"x": (0.04, 0.03)}, scale=0.01, is_good_when_lower=True)
    assert precise.do_not_disturb == ("x",)
    assert vague.do_not_disturb == ()
    money = shrink_segments({name: (-d, se) for name, (d, se) in others.items()} | {"x": (-0.04, 0.005)}, scale=0.01)
    assert money.do_not_disturb == ("x",)


@pytest.mark.parametrize(
    ("raw", "scale"),
    [
        ({}, 1.0), ({"a": (1.0, 1.0)}, 1.0), ({"a": (1.0, 0.0), "b": (1.0, 1.0)}, 1.0),
        ({"a": (float("nan"), 1.0), "b": (1.0, 1.0)}, 1.0), ({"a": (1.0, 1.0), "b": (1.0, 1.0)}, 0.0),
    ],
)  # fmt: skip
def test_what_cannot_be_shrunk_is_refused(raw: dict[str, tuple[float, float]], scale: float) -> None:
    with pytest.raises(ValueError, match="shrink_segments: "):
        shrink_segments(raw, scale=scale)
    with pytest.raises(ValueError, match="at least 2"):
        random_effects([1.0], [1.0])


def test_numbers_stay_finite_at_the_ends_of_the_scale() -> None:
    for raw in (
        {"a": (0.0, 1e-9), "b": (0.0, 1e-9)},
        {"a": (5.0, 1e-6), "b": (-5.0, 1e-6)},
        {"a": (0.1, 9), "b": (0, 9)},
    ):
        found = shrink_segments(raw, scale=0.01)
        for segment in found.segments:
            assert np.isfinite([segment.estimate, segment.low, segment.high, segment.q_value]).all()
            assert segment.low <= segment.estimate <= segment.high


@pytest.mark.slow
@pytest.mark.truth
def test_intervals_cover_and_the_winner_is_not_overstated_when_the_world_is_as_the_prior_says() -> None:
    """Exact by Bayes' rule, whoever is picked: .95 within 3 binomial errors, bias within 3 standard errors of 0."""
    rng = np.random.default_rng(41)
    worlds, scale, errors = 1_000, 0.01, np.array([0.01, 0.012, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05])
    covered_one, covered_winner, bias, raw_bias = 0, 0, [], []
    for _ in range(worlds):
        tau = abs(stats.cauchy.rvs(scale=scale, random_state=rng))
        theta = rng.normal(-0.02, tau, len(errors))
        y = rng.normal(theta, errors)
        found = shrink_segments(
            {str(i): pair for i, pair in enumerate(zip(y, errors, strict=True))}, scale=scale
        ).segments
        covered_one += found[7].low <= theta[7] <= found[7].high
        winner = min(range(8), key=lambda i: found[i].raw)
        covered_winner += found[winner].low <= theta[winner] <= found[winner].high
        bias.append(found[winner].estimate - theta[winner])
        raw_bias.append(found[winner].raw - theta[winner])
    allowed = 3 * np.sqrt(0.95 * 0.05 / worlds)
    assert abs(covered_one / worlds - 0.95) <= allowed
    assert abs(covered_winner / worlds - 0.95) <= allowed
    assert abs(np.mean(bias)) <= 3 * np.std(bias) / np.sqrt(worlds)
    assert np.mean(raw_bias) < -0.01


@pytest.mark.slow
@pytest.mark.truth
def test_half_null_segments_are_covered_and_their_best_is_nearly_unbiased() -> None:
    """12 segments of 500 to 6,000, half null (statistics 3i): coverage .935, best raw -2.7 points, shrunken +.3."""
    rng = np.random.default_rng(42)
    worlds, sizes = 600, np.linspace(500, 6_000, 12)
    errors = np.sqrt(0.08 * 0.92 * (1 / (0.9 * sizes) + 1 / (0.1 * sizes)))
    theta = np.where(np.arange(12) % 2, -0.02, 0.0)
    covered, bias, raw_bias = 0, [], []
    for _ in range(worlds):
        y = rng.normal(theta, errors)
        found = shrink_segments(
            {str(i): pair for i, pair in enumerate(zip(y, errors, strict=True))}, scale=0.01
        ).segments
        covered += sum(segment.low <= truth <= segment.high for segment, truth in zip(found, theta, strict=True))
        winner = min(range(12), key=lambda i: found[i].raw)
        bias.append(found[winner].estimate - theta[winner])
        raw_bias.append(found[winner].raw - theta[winner])
    # The prior is not this world's, so .95 is not promised; three binomial errors below what the study found.
    assert covered / (12 * worlds) >= 0.935 - 3 * np.sqrt(0.935 * 0.065 / (12 * worlds))
    assert np.mean(raw_bias) < -0.02
    assert abs(np.mean(bias)) < 0.005 < abs(np.mean(raw_bias)) / 4
