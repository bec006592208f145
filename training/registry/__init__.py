"""Where models live: MLflow keeps the files and their figures, our journal says which one is in office.

The only door to MLflow. The journal decides by compare-and-set; MLflow's alias ``champion`` is its mirror for people
and other programs, put right whenever it is found to differ.
"""

from training.registry.offices import (
    ModelDetails,
    ModelSummary,
    champion_model,
    list_models,
    promote,
    promote_by_hand,
    reconcile,
    rollback,
    show_model,
)
from training.registry.recording import Registration, close_registration, register
from training.registry.store import model_name

__all__ = [
    "ModelDetails",
    "ModelSummary",
    "Registration",
    "champion_model",
    "close_registration",
    "list_models",
    "model_name",
    "promote",
    "promote_by_hand",
    "reconcile",
    "register",
    "rollback",
    "show_model",
]
