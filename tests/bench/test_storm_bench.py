"""A small night storm: the operator gets a handful, red first, all countable; without the breaker it shows."""

import json

import pytest

from bench.storm import main

SMALL = ["--dark", "12", "--lights", "40", "--json", "--check"]


def test_a_small_storm_is_a_handful_of_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SMALL) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["raised"], told["waiting_in_items"], told["head_when_red_came"]) == (53, 53, "crowding")
    assert told["items"] <= 12


def test_it_fails_without_the_breaker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--breaker", "100000"]) == 1
    assert json.loads(capsys.readouterr().out)["missed"] == ["53 items, promised 12"]
