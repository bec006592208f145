"""Protected attributes: compared, never used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from campaigns.fit import audit_fit, classify, stored_fit
from campaigns.fit.audit import proxy_auc, rate_ratio
from holdback.business import Business
from tests.campaigns.fit.company import AS_OF, Row, calls, company, contract, days_ago, lift, opened, score

MANY = [f"c{i:04d}" for i in range(1200)]


def world(genders: list[str], dear: set[str]) -> dict[str, list[Row]]:
    """Customers of two genders, of whom some call all the time."""
    return {
        "contracts": [contract(c) for c in MANY],
        "scores": [score(c) for c in MANY],
        "customers": [
            {"customer_id": c, "signed_up_at": days_ago(700), "gender": g, "birth_year": 1950.0 + i % 50}
            for i, (c, g) in enumerate(zip(MANY, genders, strict=True))
        ],
        "calls": [row for i, c in enumerate(MANY) for row in calls(c, 110 if c in dear else 1 + i % 3)],
    }


def test_protected_attributes_change_no_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    dear = set(rng.choice(MANY, 40, replace=False))
    found = []
    for round_ in range(3):
        genders = rng.choice(["f", "m", "x"], len(MANY)).tolist()
        some = world(genders, dear)
        for row in some["customers"]:
            row["birth_year"] = float(rng.integers(1930, 2008))
        workspace = opened(tmp_path / str(round_), company(), some)
        result = classify(workspace.warehouse, company(), AS_OF, lifts=lift())
        assert not result.audit.must_stop
        assert result.do_not_spend_count == 40
        found.append(workspace.warehouse.query("select * from fit order by customer_id"))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


def test_classes_that_fall_on_a_group_stop_and_nobody_is_classed_out(tmp_path: Path) -> None:
    genders = ["f" if i % 2 else "m" for i in range(len(MANY))]
    dear = set(MANY[1:81:2])  # forty, all of them f
    workspace = opened(tmp_path, company(), world(genders, dear))
    result = classify(workspace.warehouse, company(), AS_OF, lifts=lift())
    assert result.do_not_spend_count == 0
    assert result.guarded_counts == {"audit": 40}
    assert "40 customers were not classed out. Look at the audit" in result.warnings[-1]


def test_the_audit_names_the_group_and_its_interval(tmp_path: Path) -> None:
    business = company()
    genders = ["f" if i % 4 == 0 else "m" for i in range(len(MANY))]
    workspace = opened(tmp_path, business, world(genders, set()))
    classes = ["do_not_spend" if i % 4 == 0 and i % 40 == 0 else "maintain" for i in range(len(MANY))]
    rows = pa.table({"customer_id": MANY, "fit_class": classes})
    audit = audit_fit(workspace.warehouse, business, AS_OF, rows, with_proxies=False)
    groups = {(g.attribute, g.group): g for g in audit.groups}
    women = groups["gender", "f"]
    assert (women.customer_count, women.do_not_spend_count) == (300, 30)
    assert women.ratio_low > 1.25
    assert women.must_stop
    assert women in audit.stops
    assert {g.attribute for g in audit.groups} == {"gender", "birth_year"}


def test_a_rate_ratio_has_its_published_interval() -> None:
    # Katz by hand: ratio 1.5, SE of its logarithm sqrt(1/30 - 1/100 + 1/20 - 1/100) = 0.2517.
    assert rate_ratio(30, 100, 20, 100) == pytest.approx((1.5, 1.5 / np.exp(0.49328), 1.5 * np.exp(0.49328)), rel=1e-4)
    ratio, low, high = rate_ratio(0, 100, 5, 100)
    assert low < ratio < 0.2 < high


def test_a_proxy_is_found_and_a_stranger_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    dear = set(rng.choice(MANY, 600, replace=False))
    business = company()
    workspace = opened(tmp_path, business, world(["f" if c in dear else "m" for c in MANY], dear))
    classify(workspace.warehouse, business, AS_OF, lifts=lift())
    rows = stored_fit(workspace.warehouse, AS_OF)
    audit = audit_fit(workspace.warehouse, business, AS_OF, rows)
    assert min(g.proxy_auc or 0 for g in audit.groups if g.attribute == "gender") > 0.95
    coin = rng.random(len(MANY)) < 0.5
    # Standard error of an AUC of 0.5 with 600 against 600: sqrt(1201 / (12 * 360,000)) = 0.0167; four of them.
    assert abs(proxy_auc(rows, coin) - 0.5) < 0.067


def test_a_company_without_protected_attributes_has_nothing_to_audit(tmp_path: Path) -> None:
    business = company(customers={"protected": []})
    workspace = opened(tmp_path, business, world(["f"] * len(MANY), set()))
    rows = pa.table({"customer_id": MANY, "fit_class": ["maintain"] * len(MANY)})
    assert audit_fit(workspace.warehouse, business, AS_OF, rows).groups == ()


def test_the_file_refuses_a_protected_attribute_in_the_fit() -> None:
    with pytest.raises(ValueError, match=r"fit\.segment: 'gender' is not a category that may be used"):
        Business.model_validate({**company().model_dump(), "fit": {"segment": "gender"}})
