"""A made-up page that has every part and every kind of chart, in both languages."""

from datetime import date, timedelta

from monitoring.portal.drawing import Frame
from monitoring.portal.parts import (
    Cell,
    Chart,
    Column,
    Notice,
    Page,
    Point,
    Section,
    Series,
    Stat,
    Stats,
    Table,
)
from monitoring.words import Language, Words

AS_OF = date(2026, 9, 29)
HOSTILE = "</script><script>alert(1)</script>"
FORMULA = "=HYPERLINK(1)"
TITLES: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("today", "Today"),
        ("churn", "Churn"),
        ("campaigns", "Campaigns"),
        ("earned", "What it earned"),
        ("models", "Models"),
        ("data", "Data"),
        ("signals", "Signals"),
    ),
    "es": (
        ("today", "Hoy"),
        ("churn", "Abandono"),
        ("campaigns", "Campañas"),
        ("earned", "Lo que ha dado"),
        ("models", "Modelos"),
        ("data", "Datos"),
        ("signals", "Señales"),
    ),
}


def sample_frame(language: Language = "en") -> Frame:
    other: Language = "es" if language == "en" else "en"
    return Frame("Ejemplo Móvil", "EUR", AS_OF, TITLES[language], language, other)


def sample_page(language: Language = "en") -> Page:
    w = Words(language)

    def say(*in_both: str) -> str:
        return in_both[language == "es"]

    sections = (
        Section("short", say("In short", "En breve"), (_stats(w, say), *_notices(say))),
        Section(
            "time",
            say("Over time", "En el tiempo"),
            (_history(say), _gaps(say), _retention(say)),
            say("How it went over the last weeks.", "Cómo ha ido en las últimas semanas."),
        ),
        Section("groups", say("By group", "Por grupo"), (_bars(say), _money(say), _dots(say))),
        Section("model", say("Calibration", "Calibración"), (_reliability(say), _months(say))),
        Section("list", say("In detail", "En detalle"), (_table(w, say), _empty(say))),
    )
    lead = say(
        "412 customers are at risk, 18 more than yesterday; they are worth €86,400 a year. One thing needs a person.",
        "412 clientes están en riesgo, 18 más que ayer; valen 86.400 € al año. Una cosa necesita a una persona.",
    )
    return Page("today", say("Today", "Hoy"), lead, sections)


def _stats(w, say):
    about = say(
        "Customers whose calibrated probability of leaving within 30 days is above the capacity line.",
        "Clientes cuya probabilidad calibrada de irse en 30 días supera la línea de capacidad.",
    )
    return Stats(
        (
            Stat(
                say("Customers at risk", "Clientes en riesgo"),
                w.count(412),
                about,
                note=say("18 more than yesterday", "18 más que ayer"),
                state="look",
            ),
            Stat(
                say("Margin at risk", "Margen en riesgo"),
                w.money(86400, "EUR", 0),
                about,
                w("interval", low=w.money(79100, "EUR", 0), high=w.money(93800, "EUR", 0)),
                state="bad",
            ),
            Stat(
                say("Saved by campaigns", "Salvado por campañas"),
                w.share(0.124),
                about,
                w("interval", low=w.share(0.08), high=w.share(0.171)),
                state="good",
            ),
            Stat(
                say("Effect of spring", "Efecto de primavera"),
                "–",
                about,
                note=say("Knowable on 14 October 2026.", "Se sabrá el 14 de octubre de 2026."),
            ),
        )
    )


def _notices(say):
    return (
        Notice(
            say("The feed of payments is two days late.", "El canal de pagos lleva dos días de retraso."),
            "bad",
            (say("Last event: 2026-09-27.", "Último evento: 2026-09-27."), HOSTILE),
            (say("Look at the data", "Ver los datos"), "data.html"),
        ),
        Notice(say("The model has no fault.", "El modelo no tiene fallos."), "good"),
        Notice(say("Nothing else to say.", "Nada más que decir.")),
    )


def _days(count, step=1):
    return [(AS_OF - timedelta(days=step * (count - 1 - i))).isoformat() for i in range(count)]


def _history(say):
    risk = [
        Point(day, 380 + 0.5 * i + 14 * ((i * 7) % 5 - 2), 350 + 0.5 * i, 420 + 0.5 * i)
        for i, day in enumerate(_days(90))
    ]
    other = [Point(day, 330 + 0.2 * i + 6 * ((i * 5) % 7 - 3)) for i, day in enumerate(_days(90))]
    return Chart(
        "risk",
        say("Customers at risk", "Clientes en riesgo"),
        say("Above the line.", "Sobre la línea."),
        "history",
        (Series(say("At risk", "En riesgo"), tuple(risk), True), Series(say("Expected", "Esperados"), tuple(other))),
        "count",
        say("Day", "Día"),
        say("Customers", "Clientes"),
        400,
        say("capacity", "capacidad"),
        (
            ("2026-07-15", say("new model", "modelo nuevo")),
            ("2026-09-10", say("campaign starts", "empieza la campaña")),
        ),
        say("It has risen slowly since July.", "Sube poco a poco desde julio."),
    )


def _gaps(say):
    points = [
        Point(day, None if i in (4, 5) else 0.021 + 0.002 * (i % 4), 0.017 + 0.002 * (i % 4), 0.026 + 0.002 * (i % 4))
        for i, day in enumerate(_days(14, 7))
        if i != 9
    ]
    return Chart(
        "weekly",
        say("Churn by week", "Abandono por semana"),
        say("Left over stayed.", "Se fueron sobre los que seguían."),
        "history",
        (Series(say("Churn", "Abandono"), tuple(points), True),),
        "share",
        say("Week", "Semana"),
        say("Share that left", "Parte que se fue"),
        sentence=say("Two weeks are not shown: too few customers.", "Dos semanas no se muestran: hay pocos clientes."),
    )


def _retention(say):
    series = tuple(
        Series(
            say(f"Cohort {k}", f"Cohorte {k}"),
            tuple(Point(float(d), (1 - 0.002 * (k + 1)) ** d) for d in range(0, 181, 30)),
            k == 0,
        )
        for k in range(4)
    )
    return Chart(
        "retention",
        say("Who is still there", "Quién sigue"),
        say("Kaplan-Meier.", "Kaplan-Meier."),
        "history",
        series,
        "share",
        say("Days since entry", "Días desde la entrada"),
        say("Still there", "Siguen"),
    )


def _bars(say):
    names = (
        say("Fibre and mobile", "Fibra y móvil"),
        HOSTILE,
        FORMULA,
        say(
            "A segment with a very long name that cannot stand in one line",
            "Un segmento con un nombre muy largo que no cabe en una sola línea",
        ),
        "<b>Bold</b> & co.",
    )
    found = tuple(Point(name, 0.04 + 0.03 * i, 0.03 + 0.025 * i, 0.055 + 0.036 * i) for i, name in enumerate(names))
    before = tuple(Point(name, None if i == 2 else 0.05 + 0.02 * i) for i, name in enumerate(names))
    return Chart(
        "segments",
        say("Churn by segment", "Abandono por segmento"),
        say("Per segment.", "Por segmento."),
        "bars",
        (Series(say("Now", "Ahora"), found, True), Series(say("A year ago", "Hace un año"), before)),
        "share",
        say("Segment", "Segmento"),
        say("Share that left", "Parte que se fue"),
        0.08,
        say("all", "todos"),
    )


def _money(say):
    steps = (
        (say("Margin kept", "Margen conservado"), 1_250_000.0),
        (say("Incentives", "Incentivos"), -310_000.0),
        (say("Contacts", "Contactos"), -84_000.5),
    )
    return Chart(
        "account",
        say("What it earned", "Lo que ha dado"),
        say("Against the holdout.", "Frente al grupo de control."),
        "bars",
        (Series(say("Euros", "Euros"), tuple(Point(*step) for step in steps)),),
        "money",
        say("Item", "Partida"),
        say("Euros", "Euros"),
    )


def _dots(say):
    names = ("Primavera 1", "Otoño 2", HOSTILE)
    points = tuple(
        Point(name, 0.012 * (i - 0.5), 0.012 * (i - 0.5) - 0.01, 0.012 * (i - 0.5) + 0.012)
        for i, name in enumerate(names)
    )
    return Chart(
        "effects",
        say("Effect by campaign", "Efecto por campaña"),
        say("Treatment minus holdout.", "Tratados menos control."),
        "dots",
        (Series(say("Effect", "Efecto"), points),),
        "share",
        say("Campaign", "Campaña"),
        say("Points of churn avoided", "Puntos de abandono evitados"),
        0.0,
        say("no effect", "sin efecto"),
        sentence=say("Only one is clearly above zero.", "Solo una está claramente por encima de cero."),
    )


def _reliability(say):
    points = tuple(Point(0.05 + 0.08 * i, 0.045 + 0.083 * i, 0.02 + 0.08 * i, 0.08 + 0.085 * i) for i in range(6))
    return Chart(
        "calibration",
        say("Predicted and observed", "Previsto y observado"),
        say("By tenth.", "Por décimas."),
        "reliability",
        (Series(say("Model", "Modelo"), points, True),),
        "share",
        say("Predicted", "Previsto"),
        say("Observed", "Observado"),
    )


def _months(say):
    points = tuple(
        Point(f"2026-{month:02d}", 0.9 + 0.05 * month, 0.8 + 0.05 * month, 1.0 + 0.05 * month) for month in range(1, 9)
    )
    return Chart(
        "months",
        say("Predicted over observed", "Previsto sobre observado"),
        say("One is right.", "Uno es lo justo."),
        "bars",
        (Series(say("Ratio", "Razón"), points),),
        "number",
        say("Month", "Mes"),
        say("Ratio", "Razón"),
        1.0,
        say("right", "justo"),
    )


def _table(w, say):
    columns = (
        Column(say("Segment", "Segmento")),
        Column(say("Customers", "Clientes"), say("On that day.", "Ese día."), True),
        Column(say("Churn", "Abandono"), say("Left over stayed.", "Se fueron sobre los que seguían."), True),
        Column(say("Margin", "Margen"), "", True),
        Column(say("Verdict", "Veredicto")),
    )
    names = [HOSTILE, FORMULA, "@sum", "-minus", *(say(f"Segment {i}", f"Segmento {i}") for i in range(16))]
    rows = tuple(
        (
            Cell(name),
            Cell(w.count(1200 + 37 * i) if i != 5 else w("not_shown")),
            Cell(w.share(0.02 + 0.003 * i), w("interval", low=w.share(0.01), high=w.share(0.05))),
            Cell(w.money(1234.5 * (i - 2), "EUR")),
            Cell(say("holds", "se mantiene"), state=("good", "look", "bad", "none")[i % 4]),
        )
        for i, name in enumerate(names)
    )
    return Table("segment-list", say("Segments", "Segmentos"), columns, rows)


def _empty(say):
    return Table(
        "campaign-list",
        say("Campaigns", "Campañas"),
        (Column("x"),),
        (),
        empty=say(
            "No campaign has run yet: declare one in the business file.",
            "Aún no hay campañas: declara una en el archivo del negocio.",
        ),
    )
