"""The front door of this package: what training, monitoring and the command line ask of features."""

from features.computation import build_features, feature_steps
from features.explain import Behind, Explanation, explain_customer, feature_sql
from features.families import feature_set

__all__ = [
    "Behind",
    "Explanation",
    "build_features",
    "explain_customer",
    "feature_set",
    "feature_sql",
    "feature_steps",
]
