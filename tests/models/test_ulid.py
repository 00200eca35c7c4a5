"""Identifiers that sort by time."""

import re

import pytest

from models.ulid import new_ulid


def test_the_form_and_time_of_the_specification() -> None:
    made = new_ulid(1469922850.259)
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", made)
    assert made.startswith("01ARZ3NDEK")  # the example of the specification


def test_later_ones_sort_later_and_none_are_alike() -> None:
    assert new_ulid(1.0) < new_ulid(1.002) < new_ulid(1_800_000_000.0) < new_ulid(9_999_999_999.0)
    assert len({new_ulid(1.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("now_s", [-1.0, 2.0**48])
def test_times_that_do_not_fit_are_refused(now_s: float) -> None:
    with pytest.raises(ValueError, match="no time"):
        new_ulid(now_s)
