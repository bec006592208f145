"""What the ledger says a decision rests on: the lift of its action, or what an uplift model expects of the customer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from campaigns.decisions.choices import NONE
from campaigns.lifts import model_source

if TYPE_CHECKING:
    from campaigns.decisions.candidates import Candidates

Objects = npt.NDArray[np.object_]

MODELLED = "modelled"


@dataclass(frozen=True, eq=False)
class RestsOn:
    """What each shown option rests on, shape (n,) each; None where nothing is shown, or nobody knows.

    Attributes:
        lift: Save rate: the action's, or what the customer's uplift amounts to at his probability of leaving; None
            also where the uplift is of a customer who does not leave at all (probability 0): ``detail`` has it.
        status: ``assumed``, ``measured``, ``stale``, or ``modelled`` where an uplift model spoke.
        detail: JSON: the source of the lift; of an uplift, its value and the version of its model.
    """

    lift: Objects
    status: Objects
    detail: Objects


def rests_on(candidates: Candidates, shown: npt.NDArray[np.int64]) -> RestsOn:
    """Say what the shown options rest on.

    Args:
        candidates: The audiences.
        shown: Column of the option whose gain is told, -1 for none; shape (n,).
    """
    lifts = [column.lift for column in candidates.columns]
    lift = np.array([*(None if one is None else one.save_rate for one in lifts), None], dtype=object)[shown]
    status = np.array([*(None if one is None else one.status for one in lifts), None], dtype=object)[shown]
    detail = np.array([*(None if one is None else one.detail for one in lifts), None], dtype=object)[shown]
    rows = np.flatnonzero(shown != NONE)
    rows = rows[candidates.is_modelled[rows, shown[rows]]]
    rates, uplifts = candidates.save_rate, candidates.uplift
    for row in rows:
        column = int(shown[row])
        rate = float(rates[row, column])
        lift[row] = None if np.isnan(rate) else rate
        status[row] = MODELLED
        detail[row] = _detail(candidates.columns[column].uplift_version, float(uplifts[row, column]))
    return RestsOn(lift, status, detail)


def _detail(version: str | None, uplift: float) -> str:
    told = {"lift": {"source": model_source(version)}, "uplift": {"value": uplift, "model_version": version}}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
