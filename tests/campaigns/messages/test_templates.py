"""What a template may do, and everything that it may not."""

from __future__ import annotations

import time

import pytest

from campaigns.messages.outputs import CannotBeFilled
from campaigns.messages.templates import (
    LONGEST_TEXT,
    FieldMissing,
    read_template,
    template_faults,
)

KNOWN: dict[str, str | None] = {"first_name": None, "offer": None, "executive": "is not told. Name it."}


def filled(source: str, *, is_html: bool = False, language: str = "en", **values: object) -> str:
    return read_template(source, language=language, is_html=is_html).fill(values)


ESCAPES = {
    "{{ ''.__class__.__mro__ }}": "look inside",
    "{{ first_name['__class__'] }}": "look inside",
    "{{ first_name|attr('__class__') }}": "filter 'attr' is not allowed",
    "{{ first_name.format(offer) }}": "call anything",
    "{{ '%s' % offer }}": "calculate",
    "{% for i in range(10**9) %}x{% endfor %}": "loop",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}": "loop",
    "{{ range(10**9)|list }}": "call anything",
    "{{ 'a' * 10**9 }}": "calculate",
    "{{ 10**10**10 }}": "calculate",
    "{{ -offer }}": "calculate",
    "{{ 'x'|center(10000000000) }}": "filter 'center' is not allowed",
    "{{ 'x'|replace('x', 'xxxxxxxxxx')|replace('x', 'xxxxxxxxxx') }}": "filter 'replace' is not allowed",
    "{% set a = offer ~ offer %}": "set variables",
    "{% macro m() %}{{ m() }}{% endmacro %}": "define macros",
    "{% include '/etc/passwd' %}": "read another template",
    "{% import 'x' as y %}": "read another template",
    "{% from 'x' import y %}": "read another template",
    "{% extends 'x' %}": "read another template",
    "{% block b %}{% endblock %}": "read another template",
    "{% filter upper %}x{% endfilter %}": "filter whole blocks",
    "{% autoescape false %}{{ offer }}{% endautoescape %}": "switch escaping",
    "{% with x = 1 %}{% endwith %}": "calculate or the like (with)",
    "{{ offer|safe }}": "filter 'safe' is not allowed",
    "{{ offer is callable }}": "test 'callable' is not allowed",
    "{{ cycler }}": "no such field",
    "{{ self }}": "no such field",
    "{{ lipsum(9999) }}": "call anything",
}


@pytest.mark.parametrize("source", ESCAPES)
def test_what_reaches_out_or_grows_without_bound_is_refused_before_it_runs(source: str) -> None:
    begun = time.perf_counter()
    faults = template_faults(source, KNOWN)
    assert any(ESCAPES[source] in fault for fault in faults), faults
    assert all(fault.startswith("line 1: ") for fault in faults)
    if "no such field" not in ESCAPES[source]:
        with pytest.raises(ValueError, match="line 1"):
            read_template(source, language="en")
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    "source", ["{{" + "(" * 3000 + "offer" + ")" * 3000 + "}}", "{% if offer %}" * 500 + "{% endif %}" * 500]
)
def test_what_is_nested_too_deeply_is_a_fault_and_no_crash(source: str) -> None:
    assert template_faults(source, KNOWN) == ["is nested too deeply. Write it with fewer levels."]


def test_a_syntax_error_names_its_line() -> None:
    [fault] = template_faults("Dear\n{% if offer %}\nthere", KNOWN)
    assert fault.startswith("line 3: Unexpected end of template")
    [fault] = template_faults("a\nb {{ offer", KNOWN)
    assert fault.startswith("line 2: ")


def test_an_unknown_field_is_named_with_the_nearest_and_the_rest_can_be_remedied() -> None:
    assert template_faults("Hi {{ frist_name }}", KNOWN) == [
        "line 1: frist_name: there is no such field. Did you mean 'first_name'?"
    ]
    assert template_faults("\n{{ executive }}", KNOWN) == ["line 2: executive: is not told. Name it."]
    assert template_faults("{{ offer|uper }}", KNOWN) == ["line 1: filter 'uper' is not allowed. Did you mean 'upper'?"]


def test_fields_conditions_and_filters_are_what_there_is() -> None:
    source = """Hi{% if first_name %} {{ first_name|title }}{% endif %},
{# not for the customer #}
{{ offer|default("nothing")|upper }} {{ "x" if plan in ["a", "b"] and not late else "y" }}{{ plan ~ "!" }}"""
    assert filled(source, first_name="ana", plan="a", late=False) == "Hi Ana,\nNOTHING xa!"
    assert filled(source, plan="c", late=True, offer="Six") == "Hi,\nSIX yc!"


def test_a_field_that_is_missing_may_be_asked_about_and_not_written() -> None:
    assert filled("{% if not first_name %}Dear customer{% endif %}{{ first_name or '' }}") == "Dear customer"
    for source in (
        "{{ first_name }}",
        "{{ first_name|upper }}",
        "{{ 'x' if first_name == 'Ana' else 'y' }}",
        "{{ first_name ~ 1 }}",
    ):
        with pytest.raises(FieldMissing, match=r"^first_name$"):
            filled(source)


def test_values_are_escaped_in_html_and_left_alone_in_plain_text() -> None:
    attack = "<script>alert('x')</script>"
    assert filled("<b>{{ n }}</b>", is_html=True, n=attack) == (
        "<b>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</b>"
    )
    assert filled('<i title="{{ n }}">', is_html=True, n='" onload="x') == '<i title="&#34; onload=&#34;x">'
    assert filled("{{ n|trim|upper|truncate(99) }}", is_html=True, n="<a>") == "&lt;A&gt;"
    assert filled("{{ n }}", n=attack) == attack


def test_a_value_is_never_a_template() -> None:
    assert filled("{{ n }}", n="{{ 7 }}{% if %}") == "{{ 7 }}{% if %}"


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert filled("{{ n }} {{ m }}", language="es", n=12.5, m=3) == "12,5 3"
    assert filled("{{ n }}", n=12.346) == "12.35"
    assert filled("{{ 'much' if n > 10 else 'little' }}", n=12.5) == "much"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 'total ' ~ n }}", "total 12,5"),
        ("{{ n|upper }}{{ n|trim }}", "12,512,5"),
        ("{{ n if n == 12.5 else 'no' }}", "12,5"),
        ("{{ n or 3 }}", "12,5"),
        ("{{ gone|default(n) }}", "12,5"),
        ("{{ 'in' if n in [12.5] and n < 13 else 'out' }}", "in"),
    ],
)
@pytest.mark.parametrize("is_html", [False, True])
def test_a_number_is_written_alike_wherever_it_becomes_text(source: str, text: str, is_html: bool) -> None:
    assert filled(source, language="es", is_html=is_html, n=12.5) == text


def test_a_number_that_rounds_to_nothing_has_no_sign() -> None:
    assert filled("{{ n }}", n=-0.001) == "0"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ late }}", "late: yes or no"),
        ("{{ 'x' ~ late|upper }}", "late: yes or no"),
        ("{{ offer or late }}", "late: yes or no"),
        ("{{ late and offer }}", "late: yes or no"),
        ("{{ offer|default(late) }}", "late: yes or no"),
        ("{{ offer|default(default_value=true) }}", "yes or no"),
        ("{{ offer if offer else false }}", "yes or no"),
        ("{{ offer == 'a' }}", "a comparison (yes or no)"),
        ("{{ not offer }}", "a comparison (yes or no)"),
        ("{{ offer is defined }}", "a comparison (yes or no)"),
        ("{{ [offer] }}", "a list"),
        ("{{ (offer, 'x') }}", "a list"),
        ("{{ none }}", "none"),
    ],
)
def test_what_would_write_true_or_a_list_is_a_fault(source: str, fault: str) -> None:
    told = template_faults(source, {**KNOWN, "late": None}, flags={"late"})
    assert told == [f"line 1: {fault} cannot be written. Choose words with if."]


def test_a_flag_may_be_asked_about() -> None:
    source = "{% if late %}x{% endif %}{{ 'a' if late and offer in ['b', 'c'] else 'd' }}{{ offer|default('', true) }}"
    assert template_faults(source, {**KNOWN, "late": None}, flags={"late"}) == []


def test_a_yes_or_no_that_nobody_declared_is_withheld() -> None:
    with pytest.raises(CannotBeFilled, match="would write yes or no"):
        filled("{{ late }}", late=True)


@pytest.mark.parametrize(
    "source",
    ["{{ offer|truncate(2) }}", "{{ offer|truncate(length=2) }}", "{{ offer|upper|truncate(3, true, '....') }}"],
)
def test_cutting_shorter_than_the_dots_is_a_fault(source: str) -> None:
    assert template_faults(source, KNOWN) == [
        "line 1: truncate must leave room for its three dots. Let it keep at least 3 characters."
    ]


def test_cutting_with_a_shorter_mark_is_none() -> None:
    assert template_faults("{{ offer|truncate(2, true, '') }}", KNOWN) == []
    assert filled("{{ offer|truncate(2, true, '', 0) }}", offer="abcdef") == "ab"


def test_a_filter_that_fails_on_one_customer_is_told_and_no_crash() -> None:
    assert filled("{{ offer|truncate(n) }}", offer="x" * 20, n=9) == "xxxxxx..."
    with pytest.raises(CannotBeFilled, match=r"^cannot be filled \(AssertionError\)$"):
        filled("{{ offer|truncate(n) }}", offer="x" * 20, n=2)


def test_a_number_that_python_cannot_read_is_a_fault() -> None:
    assert template_faults("{{ " + "1" * 5000 + " }}", KNOWN) == ["has a number that is too long. Shorten it."]


def test_what_grows_too_long_or_does_not_fit_is_told_without_the_values() -> None:
    with pytest.raises(CannotBeFilled, match=r"^is longer than 20,000 characters$"):
        filled("{{ n }}" * 2500, n="secret 123")
    with pytest.raises(CannotBeFilled, match=r"^cannot be filled \(TypeError\)$"):
        filled("{{ 'x' if n > 5 else 'y' }}", n="secret")
    [fault] = template_faults("x" * (LONGEST_TEXT + 1), KNOWN)
    assert fault == "has 20,001 characters. A message has at most 20,000. Shorten it."
    with pytest.raises(ValueError, match="20,001"):
        read_template("x" * (LONGEST_TEXT + 1), language="en")


def test_blocks_leave_no_empty_lines_behind() -> None:
    assert filled("a\n{% if x %}\nb\n{% endif %}\nc\n", x=1) == "a\nb\nc"
