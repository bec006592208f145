"""How MLflow serves an uplift model: by a file that needs nothing of Holdback."""

from __future__ import annotations

from pathlib import Path

import training.encoding
import training.uplift.frozen
from training.registry import Served
from training.registry.recording import invented_example, signature_of
from training.uplift.model import UpliftModel
from training.uplift.trial import Trial


def served(model: UpliftModel, trial: Trial) -> Served:
    """Return what the registry needs to serve a model.

    Args:
        model: The model.
        trial: What it learned from; its columns make the invented example, no row of it is kept.
    """
    return Served(
        code=Path(__file__).with_name("uplift_model.py"),
        beside={"encoding": Path(training.encoding.__file__), "frozen": Path(training.uplift.frozen.__file__)},
        signature=signature_of(model.encoding, "uplift"),
        example=invented_example(trial.frame, model.encoding),
    )
