"""What customers are worth, as one model in one file without a pickle.

For contracts: the monthly margin times the expected discounted months of the landmark hazard. For purchases: the mean
of what BG/NBD with gamma-gamma and what the hurdle model expect, or the one of them that could be fitted. The hurdle
learned on a window that was over, usually shorter than the horizon; it is carried on as BG/NBD expects buying to fade.

The file is a zip of ``model.json`` and CatBoost's own ``.cbm`` files.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError, OperatorError
from training.encoding import encoding_from
from training.value import hurdle as hurdles
from training.value.btyd import (
    BgNbd,
    GammaGamma,
    Purchases,
    bgnbd_from,
    expected_spend,
    gamma_gamma_from,
)
from training.value.feeds import Kind
from training.value.figures import combine
from training.value.hazard import DAYS_PER_MONTH, HazardModel
from training.value.histories import DAYS_PER_WEEK
from training.value.hurdle import Hurdle

Floats = npt.NDArray[np.float64]

FORMAT: Final = 1
DAYS_PER_YEAR: Final = 365.25
_FACTS, _HAZARD, _HURDLE = "model.json", "hazard.cbm", "hurdle"


@dataclass(frozen=True, eq=False)
class Buying:
    """The parts of a model of purchases; what could not be fitted is None.

    Attributes:
        bgnbd: How often.
        gamma_gamma: For how much.
        hurdle: Whether and for how much, over ``window_days``.
        window_days: Length of the window that the hurdle learned on; 0 without one.
    """

    bgnbd: BgNbd | None
    gamma_gamma: GammaGamma | None
    hurdle: Hurdle | None
    window_days: int

    def revenues(
        self,
        purchases: Purchases,
        frames: Iterable[pd.DataFrame] | None,
        *,
        horizon_days: int,
        discount_rate: float,
        threads: int = 1,
    ) -> dict[str, Floats]:
        """Expected discounted revenue of each customer by each part and by both, in currency units, shape (n,) each.

        The last entry is the one to use: ``btyd+hurdle``, or the part there is. ``frames`` are the customers' features,
        some customers in each, in their order.

        Raises:
            DataError: there is no part, or a column of the hurdle is missing.
        """
        btyd = self._btyd(purchases, horizon_days, discount_rate)
        hurdle = None
        if self.hurdle is not None and frames is not None:
            scale = self._carried_on(purchases, horizon_days, discount_rate)
            hurdle = np.concatenate([self.hurdle.expected(frame, threads=threads) for frame in frames]) * scale
        both, method = combine(btyd, hurdle)
        parts = {"btyd": btyd, "hurdle": hurdle}
        return {name: part for name, part in parts.items() if part is not None and name != method} | {method: both}

    def _btyd(self, purchases: Purchases, days: float, discount_rate: float) -> Floats | None:
        if self.bgnbd is None or self.gamma_gamma is None:
            return None
        return expected_spend(self.bgnbd, self.gamma_gamma, purchases, days / DAYS_PER_WEEK, discount_rate)

    def _carried_on(self, purchases: Purchases, horizon_days: int, discount_rate: float) -> float:
        """What the horizon brings for each unit of money in the hurdle's window."""
        window, horizon = (self._btyd(purchases, days, rate) for days, rate in (
            (self.window_days, 0.0), (horizon_days, discount_rate),
        ))  # fmt: skip
        if window is not None and horizon is not None and window.sum() > 0:
            return float(horizon.sum() / window.sum())
        years, force = horizon_days / DAYS_PER_YEAR, np.log1p(discount_rate)
        mean_discount = -np.expm1(-force * years) / (force * years) if force > 0 else 1.0
        return float(horizon_days / self.window_days * mean_discount)


@dataclass(frozen=True, eq=False)
class Expected:
    """What a horizon is expected to bring.

    Attributes:
        margin_amounts: Discounted margin of each customer in currency units, shape (n,).
        months: Discounted months each is expected to stay, shape (n,); None for purchases.
        extrapolated_share: Share of the value that lies beyond what was ever seen, in [0, 1]; None for purchases.
    """

    margin_amounts: Floats
    months: Floats | None = None
    extrapolated_share: float | None = None


@dataclass(frozen=True, eq=False)
class ValueModel:
    """A fitted value model.

    Attributes:
        kind: ``purchases`` or ``contracts``.
        method: ``btyd``, ``hurdle``, ``btyd+hurdle`` or ``hazard``.
        buying: The parts for purchases; None for contracts.
        lasting: The hazard of contracts; None for purchases.
        factor: What every margin is multiplied by, as matured forecasts missed alike; 1 by default.
        information: What the file says about itself: ``as_of``, ``feed``, days learned on, rows.
    """

    kind: Kind
    method: str
    buying: Buying | None = None
    lasting: HazardModel | None = None
    factor: float = 1.0
    information: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_features(self) -> bool:
        """True when customers must be described to be valued."""
        return self.lasting is not None or (self.buying is not None and self.buying.hurdle is not None)

    def of_buyers(
        self,
        purchases: Purchases,
        frames: Iterable[pd.DataFrame] | None,
        *,
        margin_rate: float,
        discount_rate: float,
        horizon_days: int,
        threads: int = 1,
    ) -> Expected:
        """Value of n customers who bought at least once.

        Args:
            purchases: Their purchases until the day.
            frames: Their features on the day, some customers in each, in their order; not read when ``needs_features``
                is False.
            margin_rate: Share of revenue that is margin.
            discount_rate: Yearly.
            horizon_days: How far ahead is counted.
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: this is a model of contracts, or a column that it needs is missing.
        """
        if self.buying is None:
            raise DataError(_wrong_kind(self.kind, "purchases"))
        revenue = self.buying.revenues(
            purchases, frames, horizon_days=horizon_days, discount_rate=discount_rate, threads=threads
        )[self.method]
        return Expected(revenue * margin_rate * self.factor)

    def of_holders(
        self,
        frames: Iterable[pd.DataFrame],
        monthly_margin_amounts: Floats,
        *,
        discount_rate: float,
        horizon_days: int,
        threads: int = 1,
    ) -> Expected:
        """Value of n customers with an open contract.

        Args:
            frames: Their features on the day, some customers in each, in their order.
            monthly_margin_amounts: Margin of each a month, in currency units, shape (n,).
            discount_rate: Yearly.
            horizon_days: How far ahead is counted.
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: this is a model of purchases, or a column that it needs is missing.
        """
        if self.lasting is None:
            raise DataError(_wrong_kind(self.kind, "contracts"))
        horizon = horizon_months(horizon_days)
        found = [
            self.lasting.expected(frame, horizon, discount_rate=discount_rate, threads=threads) for frame in frames
        ]
        months = np.concatenate([part.months for part in found])
        beyond = sum(part.extrapolated_share * float(part.months.sum()) for part in found)
        amounts = months * np.asarray(monthly_margin_amounts, dtype=np.float64) * self.factor
        return Expected(amounts, months, beyond / total if (total := float(months.sum())) > 0 else 0.0)

    def save(self, path: Path) -> None:
        """Write the model's one file; :func:`load` reads it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="holdback-value-") as place:
            folder = Path(place)
            (folder / _FACTS).write_text(json.dumps(self._facts(), sort_keys=True, indent=1), encoding="utf-8")
            if self.lasting is not None:
                self.lasting.booster.save_model(str(folder / _HAZARD))
            if self.buying is not None and self.buying.hurdle is not None:
                self.buying.hurdle.save(folder / _HURDLE)
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(part for part in folder.rglob("*") if part.is_file()):
                    archive.write(file, file.relative_to(folder).as_posix())

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "format": FORMAT, "kind": self.kind, "method": self.method, "factor": self.factor,
            "information": dict(self.information),
        }  # fmt: skip
        if self.buying is not None:
            facts["buying"] = {
                "bgnbd": None if self.buying.bgnbd is None else self.buying.bgnbd.as_dict(),
                "gamma_gamma": None if self.buying.gamma_gamma is None else self.buying.gamma_gamma.as_dict(),
                "has_hurdle": self.buying.hurdle is not None,
                "window_days": self.buying.window_days,
            }
        if self.lasting is not None:
            facts["lasting"] = {
                "encoding": self.lasting.encoding.as_dict(),
                "last_lead": self.lasting.last_lead,
                "age_column": self.lasting.age_column,
                "commitment_column": self.lasting.commitment_column,
            }
        return facts


def load(path: Path) -> ValueModel:
    """Read a file written by :meth:`ValueModel.save`.

    Raises:
        OperatorError: the file is missing, damaged, or was not written by this release of Holdback.
    """
    from catboost import CatBoostClassifier, CatBoostError

    try:
        with tempfile.TemporaryDirectory(prefix="holdback-value-") as place, zipfile.ZipFile(path) as archive:
            archive.extractall(place)
            folder = Path(place)
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise ValueError(f"format {facts['format']}")
            buying, lasting = facts.get("buying"), facts.get("lasting")
            return ValueModel(
                facts["kind"],
                facts["method"],
                None if buying is None else _buying(buying, folder),
                None if lasting is None else HazardModel(
                    CatBoostClassifier().load_model(str(folder / _HAZARD)),
                    encoding_from(lasting["encoding"]),
                    lasting["last_lead"],
                    lasting["age_column"],
                    lasting["commitment_column"],
                ),
                facts["factor"],
                facts["information"],
            )  # fmt: skip
    except (CatBoostError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise OperatorError(
            f"value model file {path}: cannot be read ({type(error).__name__}). It must be a .value file written by "
            "this release of Holdback. Restore it from the registry, or train again with `holdback value train`."
        ) from error


#: A horizon this close to whole months is one of whole months: 365 days are twelve.
_CALENDAR = 0.02


def horizon_months(horizon_days: int) -> float:
    """Return the months of the value horizon: 12 for 365 days, one and a half for 45.

    Examples:
        >>> horizon_months(365), round(horizon_months(45), 2)
        (12.0, 1.48)
    """
    months = horizon_days / DAYS_PER_MONTH
    return float(round(months)) if abs(months - round(months)) < _CALENDAR else months


def _buying(facts: Mapping[str, Any], folder: Path) -> Buying:
    return Buying(
        None if facts["bgnbd"] is None else bgnbd_from(facts["bgnbd"]),
        None if facts["gamma_gamma"] is None else gamma_gamma_from(facts["gamma_gamma"]),
        hurdles.load(folder / _HURDLE) if facts["has_hurdle"] else None,
        facts["window_days"],
    )


def _wrong_kind(kind: str, asked: str) -> str:
    return (
        f"value model: it values {kind}, and was asked about {asked}. The feed under value.feed changed since it was "
        "trained. Train a new one with `holdback value train`."
    )
