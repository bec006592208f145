"""Deciding for a million customers within budget and capacities."""

from __future__ import annotations

import json

from bench.measuring import Size, measure, task
from bench.reporting import Theme, memory, seconds


def theme(size: Size) -> Theme:
    """Measure the allocation, and how close it comes to the bound of the linear program."""
    customers = size.of(1_000_000, 200_000)
    allocated = measure(task("child", "allocate", customers), runs=size.runs, label="allocation")
    share = json.loads(allocated.output)["share_of_bound"]
    wrong = [] if 0.999 <= share <= 1 + 1e-9 else [f"the allocation reached {share:.5f} of its bound"]
    if len(allocated.outputs) > 1:
        wrong.append("two allocations differ")
    what = f"allocating 5 actions to {customers:,} customers under 8 limits, to {share:.5f} of the bound"
    return Theme((seconds(what, allocated, 60), memory("peak memory of the same", allocated, 2000)), tuple(wrong))
