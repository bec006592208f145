"""Where models live: MLflow keeps the files and their figures, our journal says which one is in office.

The only door to MLflow. The journal decides by compare-and-set; MLflow's alias ``champion`` is its mirror for people
and other programs, put right whenever it is found to differ.
"""

from training.registry.files import Registration, Served, describe_version, register_file
from training.registry.offices import (
    ModelDetails,
    ModelSummary,
    ask_registry,
    champion_model,
    follow,
    in_office,
    list_models,
    promote,
    promote_by_hand,
    reconcile,
    rollback,
    show_model,
)
from training.registry.recording import close_registration, register
from training.registry.server import registry_fault
from training.registry.store import VALUE, model_name, require, uplift_subject

__all__ = [
    "VALUE",
    "ModelDetails",
    "ModelSummary",
    "Registration",
    "Served",
    "ask_registry",
    "champion_model",
    "close_registration",
    "describe_version",
    "follow",
    "in_office",
    "list_models",
    "model_name",
    "promote",
    "promote_by_hand",
    "reconcile",
    "register",
    "register_file",
    "registry_fault",
    "require",
    "rollback",
    "show_model",
    "uplift_subject",
]
