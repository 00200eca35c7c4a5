"""`wangge bench position`, small: it holds, and does not where points are surveyed worse than is said."""

import json

import pytest

from bench.position import Wanted, main, measure


def test_nineteen_in_twenty_are_inside() -> None:
    report = measure(Wanted(cameras=6, feet=40))
    assert report["holds"], report["inside"]
    assert {"4 control points", "mounting pose"} <= set(report["inside"])


def test_it_fails_where_the_survey_is_worse_than_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cameras", "2", "--survey", "5", "--check", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["holds"]
    with pytest.raises(SystemExit):
        main(["--cameras", "0"])


def test_its_help_says_when_the_check_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "fail below 95% inside accuracy_m" in " ".join(capsys.readouterr().out.split())
