"""A business file that means harm: one clear fault, in bounded time and memory, whatever stands in it."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdback.business import check_business, load_business
from holdback.business.reading import LARGEST_BYTES
from holdback.errors import BusinessFileError
from tests.campaigns.delivery.company import FILE

_LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)
_MANY = "actions: [" + ",".join(["*a"] * 40_000) + "]\nname: &a {x: [1,2,3,4,5,6,7,8,9]}\n"
HARM = {
    "code by a tag": ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
    "a name by a tag": ("slug: !!python/name:os.system", "could not determine a constructor"),
    "a billion laughs": (_LAUGHS, "Use fewer"),
    "an anchor that holds itself": ("a: &a [*a]", "Use fewer"),
    "a mapping that holds itself": ("a: &a {b: *a}", "Use fewer"),
    "an alias that is not there": (_MANY, "undefined alias"),
    "deep brackets": ("[" * 20_000, "nested too deeply"),
    "deep and closed": ("a: " + "[" * 900 + "]" * 900, "nested too deeply"),
    "a merge key": ("a: &a {x: 1}\nb: {<<: *a, y: 2}", "merge keys"),
    "a key twice": ("slug: a\nslug: b", "stands twice"),
    "a list for a key": ("{[a]: b}", "a key is a word"),
    "a number without end": ("slug: " + "9" * 5000, "a number or a date that is none"),
    "a day that is none": ("slug: 2026-13-45", "a number or a date that is none"),
    "NUL": ("slug: a\0b", "not valid YAML"),
    "more than a business file": ("slug: " + "a" * 100_000_000, "is larger than"),
    "no mapping": ("- a", "must be a mapping"),
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_one_clear_fault_in_bounded_time_and_memory(tmp_path: Path, harm: str) -> None:
    text, said = HARM[harm]
    path = tmp_path / "bank.yaml"
    path.write_text(text, encoding="utf-8")
    del text
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(BusinessFileError, match=said) as refused:
        load_business(path)
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    assert len(str(refused.value)) < 1_000


def test_a_file_of_faults_tells_the_first_hundred(tmp_path: Path) -> None:
    path = tmp_path / "bank.yaml"
    path.write_text("".join(f"k{number}: 1\n" for number in range(8_000)))
    assert path.stat().st_size < LARGEST_BYTES
    faults = check_business(path)
    assert len(faults) == 101
    assert "faults; the first 100 are:" in faults[0]


NASTY = st.sampled_from(
    [
        "'",
        '"',
        ";",
        "--",
        "/*",
        "*/",
        "\\",
        "\0",
        "\n",
        "%",
        "$$",
        "{date}",
        "..",
        "/",
        "`",
        "$(id)",
        "’",
        "；",
        "\u202e",
        "{{ x }}",
    ]
) | st.text(max_size=5)
TEXTS = st.lists(NASTY, min_size=1, max_size=4).map("".join)


def leaves(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(leaf for key, part in parts for leaf in leaves(part, (*here, key)))]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_or_key_of_a_file_may_be_nasty(tmp_path: Path, data: st.DataObject) -> None:
    """Either it is a business file, whose names are plain words, or it is refused with the place of the fault."""
    content = yaml.safe_load(yaml.safe_dump(FILE))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(leaves(content)[1:]))
        parent = content
        for step in place[:-1]:
            parent = parent[step]
        nasty = data.draw(TEXTS | st.none() | st.integers() | st.floats() | st.lists(TEXTS, max_size=2))
        if isinstance(parent, dict) and data.draw(st.booleans()):
            parent[str(nasty)] = parent.pop(place[-1])
        else:
            parent[place[-1]] = nasty
    path = tmp_path / "bank.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        business = load_business(path)
    except BusinessFileError:
        assert all(line.startswith("bank.yaml") for line in check_business(path)[:1])
        return
    names = [business.slug, *business.tables, *(column.name for t in business.tables.values() for column in t.columns)]
    names += [one.name for one in (*business.actions, *business.campaigns, *business.churn)]
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)
