"""A report sees the warehouse as it was when it began."""

import pyarrow as pa
import pytest

from holdback.errors import OperatorError
from monitoring.moment import one_moment
from tests.monitoring.company import LAST_DAY, score_rows, workspace_in


def test_what_is_written_meanwhile_is_not_seen(tmp_path):
    lake = workspace_in(tmp_path).warehouse
    lake.append("scores", score_rows([LAST_DAY], ["a"]), batch="1")
    with one_moment(lake) as moment:
        lake.append("scores", score_rows([LAST_DAY], ["b"]), batch="2")
        assert moment.query("select count(*) as n from scores")["n"].to_pylist() == [1]
        assert lake.query("select count(*) as n from scores")["n"].to_pylist() == [2]
        assert moment.version("scores") == lake.version("scores")
        assert moment.has_batch("scores", "1")


def test_frames_come_and_go_with_their_question(tmp_path):
    with one_moment(workspace_in(tmp_path).warehouse) as moment:
        for number in (1, 2):
            rows = pa.table({"x": [number]})
            assert moment.query("select x from mine", frames={"mine": rows})["x"].to_pylist() == [number]
        with pytest.raises(Exception, match="mine"):
            moment.query("select x from mine")


def test_a_moment_writes_nothing(tmp_path):
    with one_moment(workspace_in(tmp_path).warehouse) as moment:
        with pytest.raises(OperatorError, match="writes nothing"):
            moment.append("scores", score_rows([LAST_DAY], ["a"]), batch="1")
        with pytest.raises(OperatorError, match="writes nothing"):
            moment.replace_day("scores", LAST_DAY, score_rows([LAST_DAY], ["a"]))
