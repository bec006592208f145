"""The one door to Great Expectations: it judges a batch that lies in a Parquet file, through DuckDB.

Great Expectations gives the verdict; our own SQL finds the rows. Where the two count differently nobody can be
trusted, and an operator is called. An expectation that could not be evaluated is a broken check, never bad data.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdback.contracts.batch_rules import DRIFT_RELATION
from holdback.contracts.row_rules import KNOWN_CUSTOMERS
from holdback.contracts.rules import Bound, Contract, Expectation, Parameter, Rule, Severity
from holdback.contracts.scales import SCORES_RELATION
from holdback.errors import OperatorError
from holdback.machine import query_memory_limit
from holdback.sql import literal

_DIALECT = "duckdb_engine"
_QUERY = "UnexpectedRowsExpectation"
#: Most rules hold: whether they do is asked first, and only of those that do not, how many rows break them. Any other
#: form makes Great Expectations look for examples, column by column; our own SQL finds the rows.
_HOLDS = {"result_format": "BOOLEAN_ONLY"}
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one batch.

    Args:
        worst: The gravest severity among the rules that failed; None when all held.
        is_passed: By the rule's name.
        unexpected_counts: Bad rows by the rule's name, for row rules.
        observed: What was seen, by the name of the batch rule that failed.
    """

    worst: Severity | None
    is_passed: Mapping[str, bool]
    unexpected_counts: Mapping[str, int]
    observed: Mapping[str, str | None]


@dataclass(frozen=True)
class _Suite:
    """A contract in Great Expectations' terms, ready for any batch of its feed.

    Args:
        contract: The contract.
        expectations: One per rule, in their order.
        bounds: Expectation, argument and parameter: what each batch sets anew. Values in place of
            ``{"$PARAMETER": ...}``, whose grammar takes as long to parse as ten rules to judge.
        batch_definition: The staged file.
    """

    contract: Contract
    expectations: list[Any]
    bounds: list[tuple[Any, str, str]]
    batch_definition: Any

    def of(self, expectations: list[Any]) -> Any:
        """Return some of the expectations as a suite that no context keeps."""
        gx = _great_expectations()
        return gx.ExpectationSuite(name=self.contract.feed, expectations=expectations)


@dataclass
class Judge:
    """Holds one Great Expectations context for the batches of a business: to make one takes longer than to use it.

    The relations that expectations may name besides the batch (``_drift``, ``_known_customers``, ``_scores_before``)
    are Parquet files in the same folder. Close it, or DuckDB's connection outlives the interpreter and complains.

    Args:
        folder: Private folder of this run, where batches are staged.
        threads: Threads that DuckDB may use.
    """

    folder: Path
    threads: int = 2
    _suites: dict[str, _Suite] = field(default_factory=dict)
    _made: int = 0
    _context: Any = None
    _source: Any = None

    def staged(self, relation: str) -> Path:
        """Where a relation must be staged before a batch is judged."""
        return self.folder / f"{relation}.parquet"

    def judge(self, contract: Contract, relation: str, parameters: Mapping[str, Bound]) -> Verdict:
        """Judge the batch that is staged as ``relation``.

        Raises:
            OperatorError: an expectation could not be evaluated.
        """
        suite = self._suite(contract, relation)
        for expectation, name, parameter in suite.bounds:
            setattr(expectation, name, parameters[parameter])
        with _described_once():
            batch = suite.batch_definition.get_batch()
            first = batch.validate(suite.of(suite.expectations), result_format=_HOLDS)
            failed = _failed(contract, first)
            again = None
            if failed:
                again = batch.validate(suite.of([suite.expectations[i] for i in failed]), result_format=_COUNTS)
        return _verdict(contract, first, failed, again)

    def close(self) -> None:
        """Let go of the database connection."""
        if self._source is not None:
            self._source.get_execution_engine().engine.dispose()
        self._suites.clear()
        self._context = self._source = None

    def _suite(self, contract: Contract, relation: str) -> _Suite:
        gx = _great_expectations()
        chatty = logging.getLogger("great_expectations.data_context.types.base")
        chatty.setLevel(logging.WARNING)  # else it tells of each temporary folder

        if self._context is None:
            _keep_duckdb_connections_open()
            _leave_quietly()
            self._context = gx.get_context(mode="ephemeral")
            self._context.variables.progress_bars = {"globally": False}
            self._source = self._context.data_sources.add_sql(
                "staged",
                connection_string="duckdb:///:memory:",
                kwargs={
                    "connect_args": {
                        "config": {
                            "threads": self.threads,
                            "memory_limit": query_memory_limit(),
                            "temp_directory": str(self.folder.with_name(".spill")),  # the folder does not stay
                            "enable_external_file_cache": False,
                        }
                    }
                },
            )
        known = self._suites.get(contract.feed)
        if known is None or known.contract != contract:
            self._made += 1
            asset = self._source.add_query_asset(
                f"{relation}-{self._made}",
                query=f"select * from read_parquet({literal(str(self.staged(relation)))})",
            )
            expectations = [self._expectation(rule) for rule in contract.rules]
            bounds = [
                (expectation, name, value.name)
                for rule, expectation in zip(contract.rules, expectations, strict=True)
                for name, value in rule.expectation.arguments
                if isinstance(value, Parameter)
            ]
            known = _Suite(contract, expectations, bounds, asset.add_batch_definition("whole"))
            self._suites[contract.feed] = known
        return known

    def _expectation(self, rule: Rule) -> Any:
        import great_expectations.expectations as gxe
        from great_expectations.expectations.row_conditions import Column

        expectation = rule.expectation
        arguments = {name: self._argument(name, value) for name, value in expectation.arguments}
        conditions: list[Any] = [Column(name) == True for name in expectation.where_true]  # noqa: E712 -- builds a condition
        conditions += [Column(name).is_null() for name in expectation.where_null]
        if conditions:
            condition = conditions[0]
            for further in conditions[1:]:
                condition = condition & further
            arguments["row_condition"] = condition
        is_query = expectation.kind == _QUERY
        kind = _counted_query() if is_query else getattr(gxe, expectation.kind)
        return kind(**arguments, severity=rule.severity, meta={"rule": rule.name})

    def _argument(self, name: str, value: object) -> object:
        if isinstance(value, Parameter):
            return {"$PARAMETER": value.name}
        if isinstance(value, tuple):
            return list(value)
        if name == "unexpected_rows_query" and isinstance(value, str):
            return self._query(value)
        return value

    def _query(self, sql: str) -> str:
        """Name the staged files, and shield braces and colons, which mean something to the vendor's templates."""
        shielded = sql.replace("{", "{{").replace("}", "}}").replace("{{batch}}", "{batch}")
        for relation in (DRIFT_RELATION, KNOWN_CUSTOMERS, SCORES_RELATION):
            shielded = shielded.replace(f"from {relation}", f"from read_parquet({literal(str(self.staged(relation)))})")
        return shielded.replace(":", "\\:")


@functools.cache
def _counted_query() -> Any:
    """Return Great Expectations' expectation that a query finds nothing, less its second run of the query for rows."""
    from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation

    metric = "unexpected_rows_query.row_count"

    class QueryFindsNothing(UnexpectedRowsExpectation):
        """A query finds nothing."""

        metric_dependencies = (metric,)

        def _validate(self, metrics: Any, *_also: Any, **_options: Any) -> Any:
            found = metrics[metric]
            return {"success": found == 0, "result": {"observed_value": found}}

    return QueryFindsNothing


def _failed(contract: Contract, result: Any) -> list[int]:
    """Return the positions of the rules that do not hold.

    Raises:
        OperatorError: a rule could not be evaluated, or was not.
    """
    rules = {rule.name: (position, rule) for position, rule in enumerate(contract.rules)}
    judged: dict[int, bool] = {}
    for one in result.results:
        position, rule = rules[one.expectation_config.meta["rule"]]
        _refuse_broken(contract.feed, rule.expectation, rule.name, one.exception_info)
        judged[position] = bool(one.success)
    unjudged = [rule.name for position, rule in enumerate(contract.rules) if position not in judged]
    if unjudged:
        raise OperatorError(
            f"contract of {contract.feed}: Great Expectations did not judge {unjudged[0]!r}."
            " The check is broken, not the data. Nothing was written."
        )
    return sorted(position for position, holds in judged.items() if not holds)


def _verdict(contract: Contract, first: Any, failed: Sequence[int], again: Any) -> Verdict:
    """Put both rounds together: what holds has no bad row."""
    rules = {rule.name: rule for rule in contract.rules}
    broken = {contract.rules[position].name for position in failed}
    counts = {name: 0 for name, rule in rules.items() if rule.scope == "row"}
    observed: dict[str, str | None] = {name: None for name, rule in rules.items() if rule.scope == "batch"}
    for one in again.results if again is not None else ():
        name = one.expectation_config.meta["rule"]
        _refuse_broken(contract.feed, rules[name].expectation, name, one.exception_info)
        if rules[name].scope == "row":
            is_query = rules[name].expectation.kind == _QUERY
            counts[name] = int(one.result.get("observed_value" if is_query else "unexpected_count") or 0)
        else:
            value = one.result.get("observed_value")
            observed[name] = None if value is None else str(value)
    return Verdict(_worst(first), {name: name not in broken for name in rules}, counts, observed)


def _refuse_broken(feed: str, expectation: Expectation, name: str, exception_info: Mapping[str, Any]) -> None:
    found: Sequence[Any] = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    for information in found:
        if information.get("raised_exception"):
            raise OperatorError(
                f"contract of {feed}: {name} ({expectation.kind}) could not be evaluated"
                f" ({str(information.get('exception_message')).splitlines()[0]})."
                " The check is broken, not the data. Nothing was written."
            )


def _worst(result: Any) -> Severity | None:
    severity = result.get_max_severity_failure()
    if severity is None:
        return None
    value: Severity = severity.value
    return value


def _great_expectations() -> Any:
    """Import the vendor as if Spark were not installed.

    It would import Spark's client although nobody asks for it; and that client takes a process without a main file
    (``python -c``, some workers) for its own doctests, and ends it with exit code 0.
    """
    unwanted = "pyspark.sql.connect" if "pyspark" in sys.modules else "pyspark"
    if "great_expectations" in sys.modules or unwanted in sys.modules:
        return importlib.import_module("great_expectations")
    sys.modules[unwanted] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("great_expectations")
    finally:
        del sys.modules[unwanted]


def _keep_duckdb_connections_open() -> None:
    """Let Great Expectations 1.24 read DuckDB.

    It hands out a cursor after it closed the connection, which DuckDB's pending results do not survive; for dialects
    in this tuple it keeps the connection. Private names: the version is pinned, and a test compares every count with
    plain SQL, so that the day this stops working is noticed.
    """
    import great_expectations.execution_engine.sqlalchemy_execution_engine as engine

    class Dialect(str):
        @property
        def value(self) -> str:
            return str(self)

    kept: tuple[Any, ...] = engine._PERSISTED_CONNECTION_DIALECTS
    if not any(getattr(dialect, "value", dialect) == "duckdb" for dialect in kept):
        vars(engine)["_PERSISTED_CONNECTION_DIALECTS"] = (*kept, Dialect("duckdb"))


_descriptions: ContextVar[dict[int, tuple[Any, Any]] | None] = ContextVar("descriptions", default=None)


@contextmanager
def _described_once() -> Iterator[None]:
    """Let each expectation describe itself once per batch.

    Great Expectations 1.24 builds an expectation's description anew each of the hundred times that it looks at it: half
    of the work on a small file. Expectations do not change while a batch is judged. Private behaviour: the version is
    pinned, and a test compares every count with plain SQL.
    """
    _remember_descriptions()
    token = _descriptions.set({})
    try:
        yield
    finally:
        _descriptions.reset(token)


@functools.cache
def _remember_descriptions() -> None:
    from great_expectations.expectations.expectation import Expectation

    build: Any = vars(Expectation)["configuration"].fget

    def configuration(expectation: Any) -> Any:
        known = _descriptions.get()
        if known is None:
            return build(expectation)
        found = known.get(id(expectation))
        if found is None or found[0] is not expectation:
            found = known[id(expectation)] = (expectation, build(expectation))
        return found[1]

    setattr(Expectation, "configuration", property(configuration))  # noqa: B010 -- not a name of ours to assign


@functools.cache
def _leave_quietly() -> None:
    """Let the interpreter end without a word.

    With Great Expectations in the process, the dialect's module outlives DuckDB's own, and DuckDB writes pages about
    leaked objects to the terminal. Emptied beforehand, it holds on to nothing.
    """
    import atexit

    def empty() -> None:
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == _DIALECT:
                vars(module).clear()

    atexit.register(empty)
