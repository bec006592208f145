"""Whatever a company's data hold, a message is whole or withheld."""

from __future__ import annotations

import csv
import io
import re

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.delivery.contact_list import csv_bytes
from campaigns.messages import write_messages
from campaigns.messages.fields import LONGEST_VALUE
from holdback.business import Business
from tests.campaigns.delivery.company import make_business
from tests.campaigns.messages.company import CALL, MAIL, words

HTML = {
    **CALL,
    "message": {
        "subject": {"en": "For {{ first_name }}"},
        "text": {"en": '<p title="{{ first_name }}">{{ first_name }}</p>'},
        "is_html": True,
    },
}
#: What any text can hold, and what attackers like to put there.
NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=300),
    st.lists(st.sampled_from(["<script>", "{{ 7*7 }}", "{% if %}", "\r\n", "=1", '"', "'", "\x00", "🙂", "Ana"])).map(
        "".join
    ),
)


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Business:
    return make_business(tmp_path_factory.mktemp("company"), **words(HTML, MAIL))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=NAMES)
def test_a_name_adds_no_line_no_tag_and_no_cell(business: Business, name: str) -> None:
    row = {"decision_id": "d", "customer_id": "c", "campaign": "spring", "action": "call", "channel": "phone"}
    rows = pa.Table.from_pylist([{**row, "reasons": None, "attribute_name": name, "attribute_tongue": "en"}])
    written = write_messages(business, rows)
    assert written.messages.num_rows + written.withheld.num_rows == 1
    for found in written.messages.to_pylist():
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", found["subject"] + found["first_name"])
        assert len(found["first_name"]) <= LONGEST_VALUE
        assert re.sub(r"[^<>\"]", "", found["message"]) == '<"">' + "<>"
        table = csv_bytes(written.messages).decode()
        assert len(list(csv.reader(io.StringIO(table, newline="")))) == 2
    for lack in written.withheld.to_pylist():
        assert lack["missing_field"] == "first_name"
        assert not name.strip().isalpha() or len(name) > LONGEST_VALUE
