"""What customers say, on all channels: one table of voices, ratings with intervals, themes, and what goes with churn.

- :func:`read_voices`: everything that was said, or not said when somebody asked, with both clocks;
- :func:`nps`: NPS, satisfaction, mean scores and response rates, by month, step, channel or attribute;
- :func:`themes`: what remarks are about, without anybody's text;
- :func:`learn_risk`: whether low scores and silence go with more churn or with less.
"""

from monitoring.feedback.ratings import Rating, Ratings, nps
from monitoring.feedback.risk import Association, FeedbackRisk, learn_risk
from monitoring.feedback.themes import Theme, Themes, themes
from monitoring.feedback.voices import VOICES, read_voices

__all__ = [
    "VOICES",
    "Association",
    "FeedbackRisk",
    "Rating",
    "Ratings",
    "Theme",
    "Themes",
    "learn_risk",
    "nps",
    "read_voices",
    "themes",
]
