"""Templates from which ``holdback init`` writes a first business file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from holdback.errors import BusinessFileError, OperatorError

_HEAD = """\
# Written by `holdback init`. Check it with `holdback business check`; `holdback business schema` helps your editor.
slug: {slug}
name: {name}
currency: {currency}
time_zone: {time_zone}
language: {language}          # of the reports: en | es
"""

_ACTIONS = """
value: {{margin_rate: 0.3}}      # share of an amount that is margin
actions:                       # what your team can do, and how often a day: this draws the capacity line
  - {{name: call, channel: phone, cost: 5.00, capacity_per_day: 40}}
"""

TEMPLATES: Mapping[str, str] = {
    "shop": _HEAD
    + """
feeds:
  purchases:                   # one file a day; the name before the .csv is the day of its rows
    role: transactions
    source: landing/purchases/{{date}}.csv
    columns: {{customer_id: customer, event_at: bought_at, amount: total, order_id: order}}
churn:                         # churned: nothing bought in the 90 days that follow
  - {{name: lapsed, kind: inactivity, feed: purchases, outcome_days: 90}}
"""
    + _ACTIONS,
    "subscription": _HEAD
    + """
customers:
  source: landing/customers/*.csv
  key: customer
  columns: {{signed_up_at: signed_up}}
  attributes: {{age_band: category, city: category}}
feeds:
  contracts:                   # one row per event of a contract: start, renew, change, pause, cancel
    role: subscriptions
    source: landing/contracts/{{date}}.csv
    columns: {{customer_id: customer, event_at: happened_at, kind: kind, plan: plan, price: price, ends_on: ends_on}}
churn:                         # churned: cancelled in the 60 days that follow the 7 that the team needs to act
  - {{name: cancelled, kind: cancellation, feed: contracts, outcome_days: 60, lead_days: 7}}
"""
    + _ACTIONS,
    "snapshot": _HEAD
    + """
customers:                     # one table, one row per customer, with a column that says who left
  source: customers.csv
  key: customer
  attributes:
    tenure_months: number
    plan: category
    left: {{kind: label, column: churned}}
churn:
  - {{name: left, kind: column, attribute: left}}
"""
    + _ACTIONS,
}


def write_business(path: Path, kind: str, answers: Mapping[str, str]) -> None:
    """Write the template ``kind`` with the answers filled in; an existing file is never overwritten.

    Raises:
        BusinessFileError: the file exists, or an answer breaks a rule of the business file.
        OperatorError: the file cannot be written.
    """
    write_checked(path, TEMPLATES[kind].format(**{key: quoted(value) for key, value in answers.items()}))


def write_checked(path: Path, text: str) -> None:
    """Write a new business file, and take it back when it breaks a rule; an existing file is never overwritten.

    Raises:
        BusinessFileError: the file exists, or the text breaks a rule of the business file.
        OperatorError: the file cannot be written.
    """
    if path.exists():
        raise BusinessFileError(f"{path}: exists already and is left as it is. Choose another name.")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}). Choose another folder.") from error
    from holdback.business import check_business  # not at the top: `holdback --help` shows the examples

    faults = check_business(path)
    if faults:
        path.unlink()
        raise BusinessFileError("\n".join(faults))


def quoted(text: str) -> str:
    """Return the text as a YAML scalar that stays text."""
    import yaml

    return yaml.safe_dump(text, allow_unicode=True, default_style='"').removesuffix("\n")
