"""One world: every policy lives through the same year with the same luck."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.year.arms import Arm, Told, waves
from bench.year.oracle import HORIZON_DAYS
from bench.year.plan import Plan
from bench.year.platform import Lesson, Platform
from bench.year.policies import ByRisk, Everybody, Lottery, Nobody, Oracle
from bench.year.watching import Watched
from simulator import Company, open_company

NOBODY, EVERYBODY, LOTTERY, RISK, PLATFORM, ORACLE = "nobody", "everybody", "lottery", "risk", "platform", "oracle"
POLICIES = (NOBODY, EVERYBODY, LOTTERY, RISK, PLATFORM, ORACLE)


@dataclass(frozen=True)
class World:
    """What became of every policy in a world.

    Attributes:
        seed: Names it.
        told: By policy: one entry per week.
        lessons: What the platform's months of learning came to.
        explorer_contacts: Contacts of the platform that were drawn and not chosen, by week.
        cpu_seconds: What it took to play it.
    """

    seed: int
    told: Mapping[str, list[Told]]
    lessons: list[Lesson]
    explorer_contacts: list[int]
    cpu_seconds: float


def live(plan: Plan, seed: int, *, say: Callable[[str], None] = lambda _: None) -> World:
    """Play a world once for each policy.

    Args:
        plan: What the study does.
        seed: Names the world.
        say: Told about each quarter.
    """
    started = time.process_time()
    platform, by_risk = Platform(), ByRisk()
    arms = [_watching(PLATFORM, plan, seed, platform), _watching(RISK, plan, seed, by_risk)]
    last = plan.monday(0).toordinal() - 1
    while arms[0].company.played_until.toordinal() < last:
        for arm in arms:
            arm.play()
        if last - arms[0].company.played_until.toordinal() == HORIZON_DAYS:
            for arm, forecast in zip(arms, (platform.forecast, by_risk.forecast), strict=True):
                assert arm.watched is not None
                forecast.remember(arm.watched, np.flatnonzero(arm.is_open))
    company = arms[1].company
    arms += [
        Arm(name, plan, company.fork(), policy)
        for name, policy in (
            (NOBODY, Nobody()), (EVERYBODY, Everybody()), (LOTTERY, Lottery()), (ORACLE, Oracle()),
        )
    ]  # fmt: skip
    wave = waves(company, plan)
    for week in range(plan.weeks):
        for arm in arms:
            arm.live(week, wave)
        if week % 13 == 12:
            say(f"world {seed}: quarter {week // 13 + 1} of 4, in office: {platform.in_office or 'nobody'}")
    told = {arm.name: arm.told for arm in arms}
    return World(
        seed,
        {name: told[name] for name in POLICIES},
        platform.lessons,
        platform.explorer_contacts,
        time.process_time() - started,
    )


def _watching(name: str, plan: Plan, seed: int, policy: Platform | ByRisk) -> Arm:
    company: Company = open_company(
        "telecom", seed=seed, customer_count=plan.customers, starts_on=plan.opens_on, scenario=plan.scenario
    )
    return Arm(name, plan, company, policy, Watched(company))
