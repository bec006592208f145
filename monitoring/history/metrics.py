"""Which figures are kept of every day, and what each one means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from features.declarations import Meaning

Unit = Literal["count", "share", "money", "number", "points", "days"]
About = Literal["company", "churn", "feed", "feed or all", "trigger", "campaign", "campaign or all"]

ABOUT: Mapping[About, str] = MappingProxyType(
    {
        "company": "always empty: the company",
        "churn": "empty: the first churn definition of the business file; else the name of another one",
        "feed": "name of the feed",
        "feed or all": "empty: all feeds together; else the name of one, or `customers`",
        "trigger": "name of the trigger",
        "campaign": "name of the campaign; `programme`: everybody against the global holdout",
        "campaign or all": "empty: all campaigns together; else as for `effect`",
    }
)
"""What the column ``about`` of ``daily_metrics`` holds, by kind."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure that is kept of every day.

    Attributes:
        name: As it stands in the table ``daily_metrics``.
        title: What a person calls it.
        meaning: What it says.
        unit: ``count``, ``share`` in [0, 1], ``money`` in currency units, ``number``, ``points``, or ``days``.
        is_good_when_higher: True or False; None where neither direction is good by itself.
        about: What the column ``about`` names; a key of :data:`ABOUT`.
        computed: From what and how, for the documentation.
        seen: Where the same figure is told to people.
    """

    name: str
    title: Meaning
    meaning: Meaning
    unit: Unit
    is_good_when_higher: bool | None
    about: About
    computed: str
    seen: str


_SCORED = "`monitoring.summary` on the table `scores` of the day"
_MATURED = "`monitoring.performance` on the newest scored day whose outcomes are known; its interval is at 95 %"
_QUALITY = "`monitoring.quality` on the tables `batches`, `validations` and the feeds"
_LEDGER = "the table `ledger`: what was decided on the day"

_ALL: tuple[Metric, ...] = (
    Metric(
        "customers_scored",
        Meaning("Customers scored", "Clientes puntuados"),
        Meaning(
            "Customers who were given a probability of leaving.", "Clientes que recibieron una probabilidad de irse."
        ),
        "count", None, "churn", _SCORED, "portal: Today",
    ),
    Metric(
        "customers_at_risk",
        Meaning("Customers at risk", "Clientes en riesgo"),
        Meaning(
            "Customers in the risk tiers high and medium, by the cut-offs of the business file.",
            "Clientes en los niveles de riesgo alto y medio, según los cortes del fichero de la empresa.",
        ),
        "count", False, "churn", _SCORED, "portal: Today; the day's report",
    ),
    Metric(
        "margin_at_risk_amount",
        Meaning("Margin at risk", "Margen en riesgo"),
        Meaning(
            "What is expected to be lost with the customers at risk: the probability of leaving times the margin that "
            "each is expected to bring.",
            "Lo que se espera perder con los clientes en riesgo: la probabilidad de irse por el margen que se espera "
            "de cada uno.",
        ),
        "money", False, "churn",
        "customers in the tiers high and medium with the newest margin of the value model, else of the table `fit`; "
        "the interval is what chance does if probabilities and margins are right; n is the customers at risk",
        "portal: Today",
    ),
    Metric(
        "mean_probability",
        Meaning("Mean probability of leaving", "Probabilidad media de irse"),
        Meaning(
            "Mean of the probabilities of all customers scored: the share that is expected to leave.",
            "Media de las probabilidades de todos los clientes puntuados: la proporción que se espera que se vaya.",
        ),
        "share", False, "churn", _SCORED, "portal: Churn, Models",
    ),
    Metric(
        "churn_rate",
        Meaning("Churn rate", "Tasa de abandono"),
        Meaning(
            "Share of the customers of the newest complete month who left within the outcome window.",
            "Proporción de los clientes del último mes completo que se fue dentro de la ventana de resultado.",
        ),
        "share", False, "churn",
        "customers described on the newest first day of a month whose outcomes are known (`monitoring.kpis`); Wilson's "
        "95 % interval; not kept for fewer than 5 known outcomes",
        "portal: Churn",
    ),
    Metric(
        "drifted_features",
        Meaning("Features that drifted", "Variables que han cambiado"),
        Meaning(
            "Features whose distribution, missing share or values changed beyond chance since the model learned.",
            "Variables cuya distribución, proporción de vacíos o valores han cambiado más de lo que explica el azar "
            "desde que el modelo aprendió.",
        ),
        "count", False, "churn",
        "`monitoring.drift` on the customers scored against the model's reference; n is the features compared",
        "portal: Models; the day's report",
    ),
    Metric(
        "score_change",
        Meaning("Change of the scores", "Cambio de las puntuaciones"),
        Meaning(
            "How far the probabilities moved from those of the model's first day in use: population stability index "
            "less what chance gives; from 0.05 on it matters.",
            "Cuánto se han movido las probabilidades desde el primer día de uso del modelo: índice de estabilidad "
            "(PSI) menos lo que da el azar; importa a partir de 0,05.",
        ),
        "number", False, "churn",
        "`monitoring.drift.days.score_drift` over the deciles of the first day; n is the customers of the day",
        "portal: Models; the day's report",
    ),
    Metric(
        "auc",
        Meaning("AUC", "AUC"),
        Meaning(
            "How well the scores ranked: the chance that one who left had the higher probability than one who stayed.",
            "Lo bien que ordenaron las puntuaciones: la probabilidad de que quien se fue tuviera una más alta que "
            "quien se quedó.",
        ),
        "number", True, "churn", f"{_MATURED} (DeLong)", "portal: Models; the day's report",
    ),
    Metric(
        "predicted_over_actual",
        Meaning("Predicted over actual", "Previsto entre real"),
        Meaning(
            "Mean probability over the share that really left: 1 is right, 1.2 is 20 % too many.",
            "Probabilidad media entre la proporción que se fue de verdad: 1 es exacto, 1,2 es un 20 % de más.",
        ),
        "number", None, "churn", f"{_MATURED} (Wilson's of the share that left)", "portal: Models; the day's report",
    ),
    Metric(
        "calibration_error",
        Meaning("Calibration error", "Error de calibración"),
        Meaning(
            "Mean distance between what was predicted and what happened, over groups of similar probability.",
            "Distancia media entre lo previsto y lo ocurrido, por grupos de probabilidad parecida.",
        ),
        "share", False, "churn", "`monitoring.performance` on the newest scored day whose outcomes are known",
        "portal: Models",
    ),
    Metric(
        "expected_auc",
        Meaning("Expected AUC", "AUC esperada"),
        Meaning(
            "AUC that the day's scores will have if their probabilities are right: an estimate, before outcomes "
            "are known.",
            "AUC que tendrán las puntuaciones del día si sus probabilidades son correctas: una estimación, antes de "
            "conocer los resultados.",
        ),
        "number", True, "churn", "`monitoring.expected` on the table `scores` of the day", "portal: Models",
    ),
    Metric(
        "offered_rows",
        Meaning("Rows that came in", "Filas recibidas"),
        Meaning("Rows that sources offered on the day.", "Filas que ofrecieron las fuentes en el día."),
        "count", None, "feed or all", _QUALITY, "portal: Data",
    ),
    Metric(
        "quarantined_share",
        Meaning("Share in quarantine", "Proporción en cuarentena"),
        Meaning(
            "Share of the day's rows that were kept aside because they broke a rule.",
            "Proporción de las filas del día que se apartaron por incumplir una regla.",
        ),
        "share", False, "feed or all", f"{_QUALITY}; Wilson's 95 % interval; n is the rows offered", "portal: Data",
    ),
    Metric(
        "feed_age_days",
        Meaning("Days since the newest event", "Días desde el último suceso"),
        Meaning(
            "Full days between the newest event of a feed that is known and the day.",
            "Días completos entre el último suceso conocido de una fuente y el día.",
        ),
        "days", False, "feed", _QUALITY, "portal: Data",
    ),
    Metric(
        "critical_rules_broken",
        Meaning("Critical rules broken", "Reglas críticas incumplidas"),
        Meaning(
            "Critical rules that the day's batches broke: such a batch is refused.",
            "Reglas críticas que incumplieron los lotes del día: un lote así se rechaza.",
        ),
        "count", False, "feed or all", _QUALITY, "portal: Data",
    ),
    Metric(
        "decided_contacts",
        Meaning("Contacts decided", "Contactos decididos"),
        Meaning("Customers whom the day's decision contacts.", "Clientes a los que contacta la decisión del día."),
        "count", None, "company", _LEDGER, "portal: Today",
    ),
    Metric(
        "held_out_customers",
        Meaning("Customers held out", "Clientes en el grupo de control"),
        Meaning(
            "Customers who were ever held out, from everything or from a campaign, up to the day; each counts once.",
            "Clientes apartados alguna vez, de todo o de una campaña, hasta el día; cada uno cuenta una vez.",
        ),
        "count", None, "company", "the table `ledger`: rows `assigned` with group `holdout` up to the day",
        "portal: Today, Campaigns",
    ),
    Metric(
        "spent_amount",
        Meaning("To be spent", "Gasto previsto"),
        Meaning(
            "Expected cost of the day's contacts, incentives included.",
            "Coste esperado de los contactos del día, incentivos incluidos.",
        ),
        "money", None, "company", _LEDGER, "portal: Today",
    ),
    Metric(
        "trigger_firings",
        Meaning("Firings", "Disparos"),
        Meaning(
            "Customers for whom the trigger fired on the day.", "Clientes para los que saltó el disparador en el día."
        ),
        "count", None, "trigger", "the tables `firings` and `trigger_runs`", "portal: Signals",
    ),
    Metric(
        "nps",
        Meaning("NPS", "NPS"),
        Meaning(
            "Share of answers of 9 and 10 less that of 0 to 6, over the last 90 days, each customer's newest answer.",
            "Proporción de respuestas de 9 y 10 menos la de 0 a 6, en los últimos 90 días, con la última de cada "
            "cliente.",
        ),
        "points", True, "feed",
        "`monitoring.feedback` on the feed; interval at 95 %; not kept for fewer than 5 answers",
        "portal: Signals",
    ),
    Metric(
        "response_rate",
        Meaning("Response rate", "Tasa de respuesta"),
        Meaning(
            "Share of the customers asked in the last 90 days who answered at least once.",
            "Proporción de los clientes preguntados en los últimos 90 días que respondió al menos una vez.",
        ),
        "share", True, "feed",
        "`monitoring.feedback` on the feed, all kinds of questions together; Wilson's 95 % interval; not kept for "
        "fewer than 5 customers asked",
        "portal: Signals",
    ),
    Metric(
        "effect",
        Meaning("Effect", "Efecto"),
        Meaning(
            "What the campaign changed in its primary outcome against its holdout, turned so that more is better.",
            "Lo que la campaña cambió en su resultado principal frente a su grupo de control, de modo que más es "
            "mejor.",
        ),
        "number", True, "campaign",
        "the table `effects` of the day: the planned reading when it was taken that day, else the figure that may be "
        "read every day; shares as shares, money in currency units per customer; n is the customers in the analysis",
        "portal: Campaigns",
    ),
    Metric(
        "integrity_failures",
        Meaning("Failed integrity checks", "Comprobaciones fallidas"),
        Meaning(
            "Checks that failed: while there is one, nothing is said about the campaign's effect.",
            "Comprobaciones que fallaron: mientras haya una, no se dice nada del efecto de la campaña.",
        ),
        "count", False, "campaign or all", "the table `integrity_checks` of the day; n is the checks made",
        "portal: Campaigns",
    ),
    Metric(
        "days_since_training",
        Meaning("Days since training", "Días desde el entrenamiento"),
        Meaning(
            "Days since the model that scored the day was trained.",
            "Días desde que se entrenó el modelo que puntuó el día.",
        ),
        "days", False, "churn", "the journal's verdict about the version that scored", "portal: Models",
    ),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every figure that is kept of a day, by its name."""
