"""Play the study of learning over time: ``python -m bench.year --scenario risk_is_not_uplift --worlds 20``.

Worlds that stand in ``docs/studies/learning-over-time.json`` already are not played again, so a run that was stopped
goes on where it was. ``--report`` prints the tables and writes them into ``docs/studies/learning-over-time.md``;
``--chart`` draws the picture.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from bench.year.chart import draw_chart
from bench.year.plan import FIRST_SEED, Plan
from bench.year.study import Summary, design_of, load, report, save, summary_of
from bench.year.world import live

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "studies" / "learning-over-time.json"
PAGE = RESULTS.with_suffix(".md")
BEGINS, ENDS = "<!-- tables: python -m bench.year --report -->\n", "<!-- end of tables -->\n"
PICTURE = ROOT / "docs" / "pictures" / "learning-over-time.svg"
SCENARIOS = ("risk_is_not_uplift", "no_effect", "ordinary")


def main() -> int:
    """Play what is missing, then print what all worlds say."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, help="play this scenario")
    parser.add_argument("--worlds", type=int, default=20, help="how many worlds there are to be (default: 20)")
    parser.add_argument("--customers", type=int, default=Plan("ordinary").customers, help="at the start")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the worlds are kept")
    parser.add_argument("--chart", action="store_true", help="draw the picture of risk_is_not_uplift")
    parser.add_argument("--report", action="store_true", help="print the tables and write them into the page")
    given = parser.parse_args()
    if given.scenario:
        play(Plan(given.scenario, customers=given.customers), given.worlds, given.jobs, given.results)
    scenarios = load(given.results)
    if given.chart:
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(draw_chart(scenarios["risk_is_not_uplift"]), encoding="utf-8")
        say(f"wrote {PICTURE}")
    if given.report:
        tables = "\n".join(report(name, scenarios[name]) for name in sorted(scenarios, reverse=True))
        print(tables)
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGINS)
        PAGE.write_text(before + BEGINS + tables + ENDS + rest.split(ENDS)[1], encoding="utf-8")
    elif given.scenario:
        print(report(given.scenario, scenarios[given.scenario]))
    return 0


def play(plan: Plan, count: int, jobs: int, results: Path) -> None:
    """Play those of the ``count`` worlds that are missing; each is saved when it is over."""
    found = load(results)
    design = design_of(plan)
    done = {int(world["seed"]) for world in found.get(plan.scenario, []) if world.get("design") == design}
    missing = [seed for seed in range(FIRST_SEED, FIRST_SEED + count) if seed not in done]
    say(f"{plan.scenario}: {len(done)} worlds are there, {len(missing)} to be played")
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(one_world, plan, seed) for seed in missing]):
            world, found = future.result(), load(results)
            others = found.get(plan.scenario, [])
            if any(each.get("design") != design for each in others):
                raise SystemExit(
                    f"{results} has worlds of another design. Move it away, or name another with --results."
                )
            save(results, {**found, plan.scenario: [*others, world]})
            say(f"{plan.scenario}: world {world['seed']} took {world['cpu_seconds']} CPU seconds")


def one_world(plan: Plan, seed: int) -> Summary:
    """Play one world and return what is kept of it."""
    return summary_of(live(plan, seed, say=say), plan)


def say(text: str) -> None:
    """Show progress."""
    print(f"year: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
