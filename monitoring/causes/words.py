"""What the causes say, in two languages. The word "cause" stands in one sentence only: that of a measured effect.

Titles are of either gender and number, and some are sentences: nothing that is said of one agrees with it.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "es"]

#: Keys whose sentences may speak of causes, because a campaign with a holdout was measured.
MEASURED_KEYS = ("measured_less", "measured_more", "measured_nothing")

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "associated": "{title}: associated with a difference of {points} points of probability on average "
        "({share} of all that the model sees).",
        "pushed": "It raises the probability of {pushed} of customers by two points or more.",
        "higher": "More of “{meaning}” is associated with more leaving.",
        "lower": "More of “{meaning}” is associated with less leaving.",
        "mixed": "“{meaning}” is associated with leaving in no single direction.",
        "flag_higher": "“{meaning}: yes” is associated with more leaving.",
        "flag_lower": "“{meaning}: yes” is associated with less leaving.",
        "flag_mixed": "“{meaning}: yes” is associated with leaving in no single direction.",
        "levels": "Of “{meaning}”, {riskiest} is associated with the most leaving ({worst} points), {safest} with the "
        "least ({best}).",
        "growing": "It weighs more than on {since}: {change} points.",
        "shrinking": "It weighs less than on {since}: {change} points.",
        "steady": "It weighs about as much as on {since}: {change} points.",
        "no_evidence": "No evidence that it weighs more or less than on {since}: {change} points.",
        "other_model": "Another model was asked on that day, so the change may be the model’s.",
        "reason": "“{value}” is the reason of {count} of the {n} who gave one with their cancellation: {share}.",
        "topic": "Contacts about “{value}” in the 90 days before: {left} of those who left, {stayed} of those who "
        "stayed, a difference of {difference} points.",
        "low_score": "A low score ({value}) in the 90 days before: {left} of those who left, {stayed} of those who "
        "stayed, a difference of {difference} points.",
        "silence": "No answer though asked ({value}) in the 90 days before: {left} of those who left, {stayed} of "
        "those who stayed, a difference of {difference} points.",
        "remark": "A remark in their own words ({value}) in the 90 days before: {left} of those who left, {stayed} of "
        "those who stayed, a difference of {difference} points.",
        "controllable": "The company can change it.",
        "not_controllable": "It does not count as something that the company can change.",
        "stated_only": "Only stated: no feature of the model is about it.",
        "measured_less": "Measured: campaign {campaign} ({actions}) causes fewer to leave: {change} points ({reading} "
        "reading of {day}). That is the effect of what it does, not proof of why they leave.",
        "measured_more": "Measured: campaign {campaign} ({actions}) causes more to leave: {change} points ({reading} "
        "reading of {day}).",
        "measured_nothing": "Measured: no evidence that campaign {campaign} ({actions}) causes anybody to stay or "
        "leave: {change} points ({reading} reading of {day}).",
        "official": "official",
        "daily": "daily",
        "with_interval": "{value} ({low} to {high})",
        "note": "What is associated with leaving need not change anything when it is changed. Only a measured campaign "
        "shows what does.",
        "interval_note": "Intervals cover 95 % of what other customers of the same kind would show with the same "
        "model; another model would differ by more.",
        "trend_note": "The intervals of all changes hold together; customers of both days are drawn together. "
        "When everybody’s risk grows, the points of every family do.",
        "nobody_note": "What the model sees is not told: fewer than {least} customers are described.",
        "few_note": "No intervals: {n} customers are too few.",
        "sample_note": "{sample} of {all} customers were asked about, chosen by the hash of their key.",
        "office_note": "{days}: the model of then is not known or cannot be asked; version {version} of {trained} was "
        "asked instead.",
        "short_note": "The data reach back to {day}.",
        "no_reasons": "Nobody stated why: no feed holds reasons, or nobody who cancelled in the last year gave one.",
        "no_comparison": "Leavers and stayers cannot be compared yet: {why}",
        "hidden_note": "Groups of fewer than {least} customers are not shown.",
        "family_recency": "How long ago they last bought",
        "family_frequency": "How often they buy",
        "family_amount": "How much they spend",
        "family_refunds": "Refunds",
        "family_discounts": "Discounts",
        "family_rhythm": "Their rhythm of buying",
        "family_trend": "How their buying changes",
        "family_variety": "The variety of what they buy",
        "family_channel": "Where they buy",
        "family_season": "Season",
        "family_flows": "Money in and out",
        "family_segments": "Recency, frequency and money taken together",
        "family_contract": "The contract",
        "family_price": "Price",
        "family_usage": "Usage",
        "family_balance": "Balances",
        "family_service": "Contacts with service",
        "family_unresolved": "Unsolved contacts and faults of ours",
        "family_feedback": "Feedback",
        "family_remarks": "What they said in their own words",
        "family_contacts": "Messages we send",
        "family_tenure": "How long they have been customers",
    },
    "es": {
        "associated": "{title}: asociación con una diferencia media de {points} puntos de probabilidad ({share} de "
        "todo lo que ve el modelo).",
        "pushed": "Eleva en dos puntos o más la probabilidad del {pushed} de los clientes.",
        "higher": "Más «{meaning}» se asocia con más bajas.",
        "lower": "Más «{meaning}» se asocia con menos bajas.",
        "mixed": "«{meaning}» se asocia con las bajas sin una dirección única.",
        "flag_higher": "«{meaning}: sí» se asocia con más bajas.",
        "flag_lower": "«{meaning}: sí» se asocia con menos bajas.",
        "flag_mixed": "«{meaning}: sí» se asocia con las bajas sin una dirección única.",
        "levels": "De «{meaning}», {riskiest} se asocia con más bajas ({worst} puntos) y {safest} con menos ({best}).",
        "growing": "Pesa más que el {since}: {change} puntos.",
        "shrinking": "Pesa menos que el {since}: {change} puntos.",
        "steady": "Pesa más o menos lo mismo que el {since}: {change} puntos.",
        "no_evidence": "No hay indicios de que pese más o menos que el {since}: {change} puntos.",
        "other_model": "Ese día respondió otro modelo: el cambio puede ser del modelo.",
        "reason": "«{value}» es el motivo de {count} de los {n} que dieron uno al darse de baja: {share}.",
        "topic": "Contactos sobre «{value}» en los 90 días anteriores: {left} de los que se fueron, {stayed} de los "
        "que se quedaron, una diferencia de {difference} puntos.",
        "low_score": "Puntuación baja ({value}) en los 90 días anteriores: {left} de los que se fueron, {stayed} de "
        "los que se quedaron, una diferencia de {difference} puntos.",
        "silence": "Sin respuesta a lo preguntado ({value}) en los 90 días anteriores: {left} de los que se fueron, "
        "{stayed} de los que se quedaron, una diferencia de {difference} puntos.",
        "remark": "Un comentario con sus palabras ({value}) en los 90 días anteriores: {left} de los que se fueron, "
        "{stayed} de los que se quedaron, una diferencia de {difference} puntos.",
        "controllable": "La empresa puede cambiarlo.",
        "not_controllable": "No cuenta como algo que la empresa pueda cambiar.",
        "stated_only": "Solo declarado: ninguna variable del modelo trata de ello.",
        "measured_less": "Medido: la campaña {campaign} ({actions}) causa menos bajas: {change} puntos (lectura "
        "{reading} del {day}). Es el efecto de lo que hace, no la prueba de por qué se van.",
        "measured_more": "Medido: la campaña {campaign} ({actions}) causa más bajas: {change} puntos (lectura "
        "{reading} del {day}).",
        "measured_nothing": "Medido: no hay indicios de que la campaña {campaign} ({actions}) cause que alguien se "
        "quede o se vaya: {change} puntos (lectura {reading} del {day}).",
        "official": "oficial",
        "daily": "diaria",
        "with_interval": "{value} (de {low} a {high})",
        "note": "Lo que está asociado con las bajas puede no cambiar nada cuando se cambia. Solo una campaña medida "
        "enseña qué lo hace.",
        "interval_note": "Los intervalos cubren el 95 % de lo que mostrarían otros clientes iguales con el mismo "
        "modelo; otro modelo diferiría más.",
        "trend_note": "Los intervalos de todos los cambios valen a la vez; los clientes de ambos días se sortean "
        "juntos. Cuando crece el riesgo de todos, crecen los puntos de cada familia.",
        "nobody_note": "No se cuenta lo que ve el modelo: hay menos de {least} clientes.",
        "few_note": "Sin intervalos: {n} clientes son muy pocos.",
        "sample_note": "Se preguntó por {sample} de {all} clientes, elegidos por el resumen de su clave.",
        "office_note": "{days}: el modelo de entonces no se conoce o no puede responder; respondió la versión "
        "{version} del {trained}.",
        "short_note": "Los datos llegan hasta el {day}.",
        "no_reasons": "Nadie declaró por qué: ninguna fuente guarda motivos, o nadie que se diera de baja en el último "
        "año dio uno.",
        "no_comparison": "Aún no se puede comparar a quienes se fueron con quienes se quedaron: {why}",
        "hidden_note": "No se muestran grupos de menos de {least} clientes.",
        "family_recency": "Cuánto hace de la última compra",
        "family_frequency": "Con qué frecuencia compran",
        "family_amount": "Cuánto gastan",
        "family_refunds": "Las devoluciones",
        "family_discounts": "Los descuentos",
        "family_rhythm": "Su ritmo de compra",
        "family_trend": "Cómo cambian sus compras",
        "family_variety": "La variedad de lo que compran",
        "family_channel": "Dónde compran",
        "family_season": "La temporada",
        "family_flows": "El dinero que entra y sale",
        "family_segments": "Recencia, frecuencia e importe a la vez",
        "family_contract": "El contrato",
        "family_price": "El precio",
        "family_usage": "El uso",
        "family_balance": "Los saldos",
        "family_service": "Los contactos con atención al cliente",
        "family_unresolved": "Los contactos sin resolver y los fallos nuestros",
        "family_feedback": "La opinión",
        "family_remarks": "Lo que dijeron con sus palabras",
        "family_contacts": "Los mensajes que enviamos",
        "family_tenure": "Cuánto tiempo llevan como clientes",
    },
}


def say(language: Language, key: str, **values: object) -> str:
    """Return the words of a key with its values put in; an unknown key is a mistake of ours: ``KeyError``."""
    return WORDS[language][key].format(**values)


def family_title(language: Language, family: str, meaning: str | None = None) -> str:
    """Return a family in words; of one that the catalogue does not know, its feature's meaning, else its name."""
    known = WORDS[language].get(f"family_{family}")
    return known if known is not None else meaning or family.replace("_", " ")
