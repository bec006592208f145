"""Whatever stands in the ledger: nobody held out or unwilling leaves the house, and no household is contacted twice."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.delivery import check_contacts
from tests.campaigns.delivery.company import AS_OF, assigned, customer, decided, make_workspace, put, write_ledger

NAMES = [f"c{i}" for i in range(8)]
HORIZONS = {"spring": 60, "loyalty": 30}

customers = st.fixed_dictionaries(
    {
        name: st.fixed_dictionaries(
            {
                "household_id": st.sampled_from([None, "h1", "h2", " "]),
                "contact_key": st.sampled_from([None, name, "k1", "K1", "k2"]),
                "has_consent": st.sampled_from([True, True, True, False]),
                "no_mail": st.sampled_from([False, False, False, True]),
            }
        )
        for name in NAMES
    }
)
assignments = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["treatment", "treatment", "holdout"]),
        st.sampled_from(["spring", "spring", "loyalty", None]),
        st.sampled_from([0, 5, 29, 30, 59, 60, 400]),
    ),
    max_size=10,
)
decisions = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["call", "mail", "none"])), max_size=10, unique_by=lambda d: d[0]
)


def households(people: Mapping[str, Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Everybody's unit, found by painting: an implementation of our own, slow and plain."""
    links = {
        name: {("home", (p["household_id"] or "").strip()), ("key", (p["contact_key"] or "").strip().lower())}
        - {("home", ""), ("key", "")}
        for name, p in people.items()
    }
    units = {name: {name} for name in people}
    for _ in people:
        for a in people:
            for b in people:
                if links[a] & links[b]:
                    units[a] |= units[b]
    return {name: frozenset(unit) for name, unit in units.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=customers, groups=assignments, chosen=decisions)
def test_nobody_held_out_or_unwilling_or_of_a_contacted_household_leaves_the_house(
    people: dict[str, dict[str, Any]], groups: list[tuple[str, str, str | None, int]], chosen: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        put(workspace, "customers", *(customer(name, **facts) for name, facts in people.items()))
        write_ledger(
            workspace,
            *(assigned(n, g, campaign=c, on=AS_OF - timedelta(days=d)) for n, g, c, d in groups),
            *(decided(name, action) for name, action in chosen),
        )
        listed = check_contacts(workspace, AS_OF)
    units = households(people)
    left = listed.contacts["customer_id"].to_pylist()
    wanted = {name for name, action in chosen if action != "none"}
    held_out = {
        member
        for name, group, campaign, days in groups
        if group == "holdout" and (campaign is None or campaign == "spring" or days < HORIZONS[campaign])
        for member in units[name]
    }
    treated = {m for name, group, c, _ in groups if group == "treatment" and c == "spring" for m in units[name]}
    willing = {name for name in NAMES if people[name]["has_consent"] and not people[name]["no_mail"]}
    keys = {name: (people[name]["contact_key"] or "").lower() for name in NAMES}
    opted_out = {keys[name] for name in NAMES if people[name]["no_mail"]} - {""}
    assert len({units[name] for name in left}) == len(left)
    assert set(left) <= wanted & treated & willing - held_out
    # And nobody is refused without need.
    free = {name for name in wanted & treated & willing - held_out if keys[name] not in opted_out}
    assert {units[name] for name in left} == {units[name] for name in free}
    assert sorted([*left, *listed.refused["customer_id"].to_pylist()]) == sorted(wanted)
