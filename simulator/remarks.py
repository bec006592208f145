"""What customers write when they are asked, in their language: by how they feel, and about what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from simulator.chance import Integers

#: By language (Spanish, English) and mood (bad, middling, good); ``{topic}`` is what their last ticket was about.
_WORDS: Sequence[Sequence[Sequence[str]]] = (
    (
        (
            "Llevo semanas esperando una solución con {topic}. Muy decepcionado.",
            "Cada vez más caro y peor servicio, {topic} sigue mal.",
            "Me estoy planteando cambiarme, nadie resuelve lo de {topic}.",
            "Fatal. Tres llamadas por {topic} y nada.",
        ),
        ("Correcto, sin más.", "El servicio va bien pero el precio sube.", "Lo de {topic} tardó, pero se resolvió."),
        ("Muy contento, trato excelente.", "Todo perfecto, gracias.", "Resolvieron {topic} el mismo día. ¡Genial!"),
    ),
    (
        (
            "Weeks of waiting because of {topic}. Very disappointed.",
            "More expensive every year, and {topic} is still not fixed.",
            "Thinking of leaving: nobody cares about {topic}.",
            "Awful. Three calls about {topic} and nothing.",
        ),
        ("It's OK.", "Works fine, but the price keeps rising.", "{topic} took a while, but it was solved."),
        ("Very happy, great people.", "All perfect, thank you.", "They solved {topic} the same day. Great!"),
    ),
)

_TOPICS_IN_SPANISH: Mapping[str, str] = {
    "billing": "la factura",
    "outage": "la avería",
    "speed": "la velocidad",
    "coverage": "la cobertura",
    "moving": "la mudanza",
    "offer": "la oferta",
    "complaint": "mi reclamación",
    "card": "la tarjeta",
    "fees": "las comisiones",
    "app": "la aplicación",
    "transfer": "la transferencia",
    "mortgage": "la hipoteca",
    "room": "la habitación",
    "noise": "el ruido",
    "restaurant": "el restaurante",
    "booking": "la reserva",
    "repair": "la reparación",
    "delay": "el retraso",
    "part": "la pieza",
    "invoice": "la factura",
    "appointment": "la cita",
}


def write_remarks(
    language: Integers, scores: Integers, topics: Sequence[str], topic: Integers, pick: Integers
) -> list[str]:
    """Return one remark for each answer.

    Args:
        language: 0 Spanish, 1 English.
        scores: Answers from 0 to 10.
        topics: The company's topics.
        topic: Index of each customer's topic.
        pick: Any number from 0 on: which of the sentences.
    """
    moods = np.where(scores <= 6, 0, np.where(scores <= 8, 1, 2))
    remarks = []
    for tongue, mood, about, which in zip(language, moods, topic, pick, strict=True):
        sentences = _WORDS[tongue][mood]
        word = topics[about]
        spoken = _TOPICS_IN_SPANISH[word] if tongue == 0 else word
        sentence = sentences[which % len(sentences)].format(topic=spoken)
        remarks.append(sentence[0].upper() + sentence[1:])
    return remarks
