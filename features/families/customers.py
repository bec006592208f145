"""Features of the customers' own table: tenure, and the attributes that the business file names."""

from __future__ import annotations

from features.declarations import Feature, FeedShape
from features.families.declaring import Declarer
from holdback.business import Customers

TABLE = "customers"


def customer_features(shape: FeedShape, customers: Customers) -> list[Feature]:
    """Declare tenure and attributes. An attribute of kind ``label`` is an outcome and never becomes a feature."""
    declarer = Declarer(shape)
    if shape.has("signed_up_at"):
        declarer.add(
            "tenure_days",
            "tenure",
            "value",
            "days",
            "Days since the customer signed up",
            "Días desde el alta del cliente",
            column="tenure_days",
        )
    for name, attribute in customers.attributes.items():
        if attribute.kind == "label":
            continue
        named = name.replace("_", " ").capitalize()
        declarer.add(
            name,
            "attributes",
            "value",
            attribute.unit or {"flag": "0 or 1", "number": "number", "category": "category"}[attribute.kind],
            attribute.meaning_in("en") or named,
            attribute.meaning_in("es") or named,
            column=f'cast("{name}" as integer)' if attribute.kind == "flag" else f'"{name}"',
            kind="category" if attribute.kind == "category" else "number",
            protected=name in customers.protected,
            observed_on=attribute.observed_on,
        )
    return declarer.features
