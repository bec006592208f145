"""The peer of bench/validation.py: the same expectations on a pandas frame; prints what each rule found.

Run as ``python frame_validation.py FOLDER`` with the peer's Python. It is asked for counts without examples, the
cheapest form that tells as much as ours does.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.row_conditions import Column

folder = Path(sys.argv[1])
told = json.loads((folder / "expectations.json").read_text())
INSTANTS = {"newest_event_is_fresh", "event_at_is_not_in_the_future"}


def expectation(rule):
    arguments = dict(rule["arguments"])
    if rule["rule"] in INSTANTS:
        arguments |= {name: datetime.fromisoformat(v) for name, v in arguments.items() if name.endswith("_value")}
    conditions = [Column(name) == True for name in rule["where_true"]]  # noqa: E712
    conditions += [Column(name).is_null() for name in rule["where_null"]]
    if conditions:
        condition = conditions[0]
        for further in conditions[1:]:
            condition = condition & further
        arguments["row_condition"] = condition
    return getattr(gxe, rule["kind"])(**arguments, meta={"rule": rule["rule"]})


def columns():
    named = {rule["arguments"].get("column") for rule in told} - {None}
    return sorted(named.union(*(rule["where_true"] + rule["where_null"] for rule in told)))


context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
frame = pd.read_parquet(folder / "_judged.parquet", columns=columns())
batch = (
    context.data_sources.add_pandas("staged")
    .add_dataframe_asset("receipts")
    .add_batch_definition_whole_dataframe("whole")
    .get_batch(batch_parameters={"dataframe": frame})
)
suite = gx.ExpectationSuite(name="receipts", expectations=[expectation(rule) for rule in told])
result = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0})
scopes, found = {rule["rule"]: rule["scope"] for rule in told}, {}
for one in result.results:
    name = one.expectation_config.meta["rule"]
    raised = one.exception_info if "raised_exception" in one.exception_info else {}
    if raised.get("raised_exception") or not (one.result or one.success):
        raise SystemExit(f"{name}: {one.exception_info}")
    found[name] = int(one.result.get("unexpected_count") or 0) if scopes[name] == "row" else int(one.success)
print(json.dumps({rule["rule"]: found[rule["rule"]] for rule in told}))
