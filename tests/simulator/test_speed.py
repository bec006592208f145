"""What a large company costs: measured in a process of its own, in CPU seconds and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_TWO_YEARS = """
import json, resource, time
from datetime import date, timedelta
from simulator import open_company
company = open_company("telecom", seed=1, customer_count=100_000, starts_on=date(2025, 1, 1))
rows = 0
for number in range(730):
    day = date(2025, 1, 1) + timedelta(days=number)
    company.play(day)
    rows += sum(table.num_rows for table in company.feeds(day).values())
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024, "rows": rows}))
"""


@pytest.mark.slow
def test_two_years_of_a_hundred_thousand_customers_take_a_minute_and_two_gigabytes() -> None:
    run = subprocess.run([sys.executable, "-c", _TWO_YEARS], capture_output=True, text=True, check=True, timeout=600)
    cost = json.loads(run.stdout)
    assert cost["rows"] > 20_000_000
    assert cost["cpu"] < 60
    assert cost["mb"] < 2000
