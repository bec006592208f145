"""The section ``journey``: into which segments customers are put, and which drivers of churn can be changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdback.business.sections import Section, Texts


class Journey(Section):
    """How customers are grouped for reports, and what the company can do something about."""

    segments: Texts = Field((), description="Attributes (categories or flags) by which rates are told; none protected")
    new_days: Annotated[int, Field(ge=1, le=365)] = Field(90, description="How long a customer counts as new")
    controllable: Texts = Field(
        (), description="Feature families or features that the company can change, besides those that it always can"
    )
    not_controllable: Texts = Field((), description="Feature families or features that it cannot change after all")
