"""Features of the feeds in which company and customer speak: ``interactions``, ``feedback``, ``campaign_contacts``."""

from __future__ import annotations

from features.declarations import Feature, FeedShape
from features.families.declaring import WINDOWS, Declarer
from features.remarks import REMARK_DAYS
from holdback.sql import literal

#: Outcomes of a campaign contact that mean that the customer reacted.
ANSWERED_OUTCOMES = ("answered", "clicked", "redeemed", "replied", "converted")

# A declaration reads better as a few lines than as a column of arguments.
# fmt: off


def interaction_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare how often, how, with what outcome a customer contacts the company, and what is still open."""
    d = Declarer(shape, prefix)
    d.add("days_since_last_interaction", "service", "days_since_last", "days",
          "Days since the last contact", "Días desde el último contacto")
    d.each(WINDOWS, "interaction_count", "service", "count", "contacts", "Contacts", "Contactos")
    d.add("interaction_count_all", "service", "count", "contacts", "Contacts so far", "Contactos hasta hoy", absent=0.0)
    d.add("interaction_count_trend_30d", "service", "trend", "ratio of daily rates",
          "Contacts per day: the last 30 days against the 90 before",
          "Contactos por día: últimos 30 días frente a los 90 anteriores", window_days=30)
    for value, slug in d.values("channel"):
        d.each((30, 90, 365), f"interaction_{slug}_count", "service", "count", "contacts", f"Contacts by {value}",
               f"Contactos por {value}", filter=f"channel = {literal(value)}")
    for value, slug in d.values("outcome"):
        d.each((90, 365), f"interaction_ended_{slug}_count", "service", "count", "contacts",
               f"Contacts that ended '{value}'", f"Contactos que acabaron en '{value}'",
               filter=f"outcome = {literal(value)}")
    for value, slug in d.values("topic"):
        d.each((90, 365), f"interaction_about_{slug}_count", "service", "count", "contacts",
               f"Contacts about {value}", f"Contactos sobre {value}", filter=f"topic = {literal(value)}")
    for column, words_en, words_es in (("channel", "Channel", "Canal"), ("outcome", "Outcome", "Resultado")):
        d.last_of(f"last_interaction_{column}", "service", column, f"{words_en} of the last contact",
                  f"{words_es} del último contacto")
    if shape.has("duration_seconds"):
        d.each((90, 365), "interaction_minutes", "service", "sum", "minutes", "Minutes spent in contacts",
               "Minutos en contactos", column="duration_seconds", divided_by=60)
        d.each((365,), "interaction_minutes_mean", "service", "mean", "minutes", "Mean minutes of a contact",
               "Minutos medios de un contacto", column="duration_seconds", divided_by=60, absent=None)
    if shape.has("resolved_at"):
        d.add("unresolved_count", "unresolved", "count", "contacts", "Contacts still open", "Contactos aún abiertos",
              filter="resolution_seconds is null", absent=0.0)
        d.add("oldest_unresolved_days", "unresolved", "days_since_first", "days",
              "Days that the oldest open contact has waited", "Días que espera el contacto abierto más antiguo",
              filter="resolution_seconds is null")
        d.each((365,), "resolution_hours_mean", "unresolved", "mean", "hours", "Mean time to a solution",
               "Tiempo medio hasta la solución", column="resolution_seconds", divided_by=3600, absent=None)
    if shape.has("is_caused_by_us"):
        d.each((90, 365), "our_fault_count", "unresolved", "count", "contacts", "Contacts that our own fault caused",
               "Contactos causados por un fallo nuestro", filter="is_caused_by_us")
    _remarks(d, "interaction", "What the customer said in contacts", "Lo que el cliente dijo en sus contactos")
    return d.features


def feedback_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare what a customer answers when asked, how that changes, and their silence."""
    d = Declarer(shape, prefix)
    # Only a feed that maps a kind or a remark holds rows that nobody asked for, or answers without a score.
    asked = "is_asked" if shape.has("kind") else None
    tells_asking = shape.has("kind") or shape.has("remark")
    d.add("days_since_last_feedback_request", "feedback", "days_since_last", "days",
          "Days since we last asked for feedback", "Días desde la última petición de opinión", filter=asked)
    d.each((90, 365), "feedback_request_count", "feedback", "count", "requests", "Times we asked for feedback",
           "Veces que pedimos opinión", filter=asked)
    _remarks(d, "feedback", "What the customer wrote when asked", "Lo que el cliente escribió al pedirle opinión")
    if not shape.has("score"):
        return d.features
    d.add("feedback_score_last", "feedback", "max", "points", "Last score given", "Última puntuación",
          column="score_thousandths", filter="answer_rank = 1", divided_by=1000)
    d.add("feedback_score_previous", "feedback", "max", "points", "Score given before the last one",
          "Puntuación anterior a la última", column="score_thousandths", filter="answer_rank = 2", divided_by=1000)
    d.add("feedback_score_change", "feedback", "derived", "points", "Last score less the one before",
          "Última puntuación menos la anterior",
          column=f"{d.named('feedback_score_last')} - {d.named('feedback_score_previous')}")
    d.each((365,), "feedback_score_mean", "feedback", "mean", "points", "Mean score", "Puntuación media",
           column="score_thousandths", divided_by=1000, absent=None)
    d.each((365,), "feedback_score_min", "feedback", "min", "points", "Lowest score", "Puntuación más baja",
           column="score_thousandths", divided_by=1000, absent=None)
    d.add("days_since_last_feedback", "feedback", "days_since_last", "days",
          "Days since the last score was given", "Días desde la última puntuación",
          filter="score_thousandths is not null")
    d.each((90, 365), "feedback_answer_count", "feedback", "count", "answers", "Scores given", "Puntuaciones dadas",
           filter="score_thousandths is not null")
    if not tells_asking:
        d.each((365,), "feedback_answer_share", "feedback", "share", "share of requests", "Share of requests answered",
               "Parte de las peticiones contestadas", filter="score_thousandths is not null", absent=None)
        since_en, since_es, silent = "the last score", "la última puntuación", "is_after_last_answer"
    else:
        d.each((365,), "feedback_answer_share", "feedback", "share", "share of requests", "Share of requests answered",
               "Parte de las peticiones contestadas", column="case when is_asked and is_answered then 1 else 0 end",
               over="case when is_asked then 1 else 0 end", absent=None)
        since_en, since_es, silent = "the customer last said something", "lo último que dijo el cliente", "is_silent"
    d.add("feedback_unanswered_count", "feedback", "count", "requests", f"Requests without an answer since {since_en}",
          f"Peticiones sin respuesta desde {since_es}", filter=silent, absent=0.0)
    d.add("feedback_silence_days", "feedback", "days_since_first", "days",
          f"Days since the first request that stayed without an answer after {since_en}",
          f"Días desde la primera petición sin respuesta tras {since_es}", filter=silent)
    return d.features


def _remarks(d: Declarer, stem: str, en: str, es: str) -> None:
    if d.shape.has("remark"):
        d.add(f"{stem}_remarks_{REMARK_DAYS}d", "remarks", "texts", "text", f"{en} in the last {REMARK_DAYS} days",
              f"{es} en los últimos {REMARK_DAYS} días", column="remark_text", window_days=REMARK_DAYS, kind="text")


def campaign_contact_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare how often we wrote to a customer, and how often the customer reacted."""
    d = Declarer(shape, prefix)
    d.add("days_since_last_contact", "contacts", "days_since_last", "days",
          "Days since we last wrote", "Días desde nuestro último mensaje")
    d.each((7, 30, 90, 365), "contact_count", "contacts", "count", "messages", "Messages we sent", "Mensajes enviados")
    for value, slug in d.values("channel"):
        d.each((30, 90), f"contact_{slug}_count", "contacts", "count", "messages", f"Messages by {value}",
               f"Mensajes por {value}", filter=f"channel = {literal(value)}")
    if shape.has("outcome"):
        answered = f"outcome in ({', '.join(literal(outcome) for outcome in ANSWERED_OUTCOMES)})"
        d.each((90, 365), "contact_answered_count", "contacts", "count", "messages", "Messages the customer reacted to",
               "Mensajes a los que el cliente reaccionó", filter=answered)
        d.each((365,), "contact_answered_share", "contacts", "share", "share of messages",
               "Share of messages the customer reacted to", "Parte de los mensajes con reacción", filter=answered,
               absent=None)
        d.add("days_since_last_answered_contact", "contacts", "days_since_last", "days",
              "Days since the customer last reacted to a message",
              "Días desde la última reacción a un mensaje", filter=answered)
    for value, slug in d.values("outcome"):
        d.each((90, 365), f"contact_ended_{slug}_count", "contacts", "count", "messages",
               f"Messages that ended '{value}'", f"Mensajes que acabaron en '{value}'",
               filter=f"outcome = {literal(value)}")
    return d.features
