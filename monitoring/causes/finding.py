"""Put together what the model associates with leaving, what customers state, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches

import numpy as np

from features.families import feature_set
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.causes.contributions import FEWEST_FOR_AN_INTERVAL, Contributions
from monitoring.causes.control import Control, control_of
from monitoring.causes.days import MOST_CUSTOMERS, groups_of
from monitoring.causes.drivers import Seen, drivers_of, see_days, trends_of
from monitoring.causes.measured import measured_effects
from monitoring.causes.results import EVERYBODY, Asked, Causes, Driver, Measured, Saying, SegmentCauses, Theme
from monitoring.causes.stated import Stated, read_stated
from monitoring.causes.vocabulary import about
from monitoring.causes.wording import sentences
from monitoring.causes.words import Language, family_title, say
from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.words import Words
from training.reasons import family_of

MOST_GROUPS = 20
_TELLING = 0.005
"""Part of all that a model sees below which a family that nobody speaks of is no theme."""


def find_causes(
    workspace: Workspace,
    churn_name: str | None,
    as_of: date,
    *,
    months: int = 1,
    segments: Sequence[str] | None = None,
    most_customers: int = MOST_CUSTOMERS,
    warehouse: Warehouse | None = None,
    progress: Progress = silent,
) -> Causes:
    """Tell why customers leave, as far as it is known on a day.

    Args:
        workspace: The business.
        churn_name: The churn definition; the first one when None.
        as_of: The day of knowledge: nothing that happened or was loaded later is visible.
        months: On how many days, a month apart, the model is asked (1 to 12); 2 or more show what grows.
        segments: Attributes by which it is told too; ``journey.segments`` by default, else ``fit.segment``.
        most_customers: The model is asked about so many of a day's customers, a sample of more.
        warehouse: What is read, where it is one moment of the workspace's own.
        progress: Told about each step.

    Raises:
        NotKnowableYet: no model is in office yet.
        BusinessFileError: ``journey`` names something that does not exist, or a segment does not or is protected.
        DataError: nobody is described on the day.
        OperatorError: the model's file cannot be read.

    Examples:
        >>> causes = find_causes(workspace, "cancelled", date(2026, 11, 1), months=6)  # doctest: +SKIP
        >>> causes.themes[0].text  # doctest: +SKIP
        'Price: associated with a difference of 3.1 (2.9 to 3.3) points of probability on average ...'
    """
    business, warehouse = workspace.business, warehouse or workspace.warehouse
    churn = business.churn_named(churn_name)
    names = _segment_names(business, segments)
    declared = feature_set(business)
    control = control_of(business, declared)
    seen = see_days(
        workspace, churn, as_of, months=months, most_customers=most_customers, warehouse=warehouse, progress=progress
    )
    newest = seen[-1]
    shown = [feature for feature in declared if not feature.protected]
    families = list(dict.fromkeys(family_of(feature) for feature in shown))
    progress("what customers state", 0, 1)
    stated = read_stated(warehouse, business, churn, as_of, about(shown), names)
    subjects = list(dict.fromkeys([*families, *(feature.name for feature in shown)]))
    measured = measured_effects(warehouse, business, churn, as_of, subjects)
    language: Language = business.language
    drivers = drivers_of(newest.contributions, control, language=language, trends=trends_of(seen))
    return Causes(
        churn=churn.name,
        as_of=as_of,
        days=tuple(one.asked for one in seen),
        themes=_themes(language, drivers, stated.sayings.get(EVERYBODY, ()), measured),
        segments=_segments(warehouse, business, newest, stated, control, names),
        measured=measured,
        cancelled=stated.cancelled.get(EVERYBODY),
        compared_on=stated.compared_on,
        left_count=stated.left_count,
        stayed_count=stated.stayed_count,
        notes=_notes(language, [one.asked for one in seen], stated, months),
    )


def _themes(
    language: Language, drivers: Sequence[Driver], sayings: Sequence[Saying], measured: Sequence[Measured]
) -> tuple[Theme, ...]:
    """The families that matter, the strongest first; then what is only stated, the commonest first."""
    found = []
    spoken = {saying.family for saying in sayings}
    for driver in drivers:
        names = {driver.family, *(feature.feature for feature in driver.features)}
        effects = tuple(effect for effect in measured if names & set(effect.families))
        if driver.share.estimate < _TELLING and driver.family not in spoken and not effects:
            continue
        mine = tuple(saying for saying in sayings if saying.family == driver.family)
        title = family_title(language, driver.family, driver.features[0].meaning)
        text = sentences(language, title, driver, mine, effects)
        found.append(Theme(driver.family, title, driver, mine, driver.is_controllable, effects, text))
    known = {driver.family for driver in drivers}
    alone: dict[str, list[Saying]] = {}
    for saying in sayings:
        if saying.family not in known:  # also of a family that this model does not look at
            alone.setdefault(saying.value, []).append(saying)
    for value, mine_only in sorted(alone.items(), key=lambda item: (-item[1][0].left.share, item[0])):
        told = tuple(mine_only)
        text = sentences(language, value, None, told, ())
        found.append(Theme(value, value.replace("_", " "), None, told, None, (), text))
    return tuple(found)


def _segments(
    warehouse: Warehouse, business: Business, newest: Seen, stated: Stated, control: Control, names: tuple[str, ...]
) -> tuple[SegmentCauses, ...]:
    if not names:
        return ()
    language: Language = business.language
    groups = groups_of(warehouse, business, newest.asked.as_of, newest.day.spine, names)
    found = []
    for name in names:
        values = np.asarray(groups[name].to_numpy(zero_copy_only=False), dtype=object).astype(str)
        told, counts = np.unique(values, return_counts=True)
        hides = hidden([int(count) for count in counts])
        for at in [int(at) for at in np.argsort(-counts, kind="stable")[:MOST_GROUPS] if not hides[int(at)]]:
            value = str(told[at])
            part: Contributions = newest.contributions.where(values == value)
            drivers = drivers_of(part, control, language=language)
            themes = _themes(language, drivers, stated.sayings.get((name, value), ()), ())
            found.append(SegmentCauses(name, value, int(counts[at]), themes))
    return tuple(found)


def _segment_names(business: Business, asked: Sequence[str] | None) -> tuple[str, ...]:
    """The attributes by which it is told; what the file names was checked when it was read."""
    if asked is None:
        return business.journey.segments or tuple(filter(None, [business.fit.segment]))
    attributes = business.customers.attributes if business.customers is not None else {}
    protected = business.customers.protected if business.customers is not None else ()
    known = [n for n, a in attributes.items() if a.kind in ("category", "flag") and n not in protected]
    for name in asked:
        if name in known:
            continue
        place = f"{business.slug}: segment {name!r}"
        if name in protected:
            raise BusinessFileError(
                f"{place}: is a protected attribute. What is protected is audited, never shown. "
                f"Choose one of: {', '.join(known) or 'none is declared'}."
            )
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Choose one of: {', '.join(known) or 'none is declared'}."
        raise BusinessFileError(f"{place}: is no category or flag of the customers. {hint}")
    return tuple(dict.fromkeys(asked))


def _notes(language: Language, days: Sequence[Asked], stated: Stated, months: int) -> tuple[str, ...]:
    w = Words(language)
    newest = days[-1]
    notes = [say(language, "note")]
    if newest.sample_count < MINIMUM_CELL:
        notes.append(say(language, "nobody_note", least=MINIMUM_CELL))
    elif newest.sample_count < FEWEST_FOR_AN_INTERVAL:
        notes.append(say(language, "few_note", n=newest.sample_count))
    else:
        notes.append(say(language, "interval_note"))
    if len(days) > 1:
        notes.append(say(language, "trend_note"))
    if len(days) < min(months, 12):
        notes.append(say(language, "short_note", day=w.day(days[0].as_of)))
    if newest.sample_count < newest.customer_count:
        sample, everybody = w.count(newest.sample_count), w.count(newest.customer_count)
        notes.append(say(language, "sample_note", sample=sample, all=everybody))
    others = [day for day in days if not day.was_in_office]
    if others:
        listed = ", ".join(w.short_day(day.as_of) for day in others)
        version, trained = others[-1].model_version, w.day(others[-1].trained_on)
        notes.append(say(language, "office_note", days=listed, version=version, trained=trained))
    if not stated.cancelled:
        notes.append(say(language, "no_reasons"))
    if stated.compared_on is None:
        notes.append(say(language, "no_comparison", why=stated.why_not))
    notes.append(say(language, "hidden_note", least=MINIMUM_CELL))
    return tuple(notes)
