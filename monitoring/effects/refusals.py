"""The one way in which an effect is refused."""

from __future__ import annotations


class NotMeasurable(ValueError):
    """These numbers carry no such effect: leave the figure out and show the message, which is the reason."""
