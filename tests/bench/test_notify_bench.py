"""`python -m bench.notify`, small: every message comes once; and what it would say of one that does not."""

from typing import Any

from bench.notify import measure, missed


def test_each_dispatch_reaches_the_phone_once() -> None:
    found = measure("", dispatches=4, per_s=10, burst=4)
    assert (found["paced"]["missing"], found["burst"]["missing"], found["repeats"]) == (0, 0, 0)
    assert 0 < found["paced"]["p50_s"] <= found["paced"]["p99_s"] <= found["paced"]["max_s"]
    assert found["burst"]["received_per_s"] > 0


def test_what_breaks_the_promise_is_named() -> None:
    def report(missing: int = 0, p99_s: float = 1.9, repeats: int = 0) -> dict[str, Any]:
        paced, burst = {"missing": missing, "p99_s": p99_s}, {"missing": 0}
        return {"sqlite": {"paced": paced, "burst": burst, "repeats": repeats}}

    assert missed(report()) == []
    assert missed(report(missing=2)) == ["sqlite: 2 messages did not come"]
    assert missed(report(p99_s=2.5)) == ["sqlite: p99 2.50 s, promised 2 s"]
    assert missed(report(repeats=1)) == ["sqlite: 1 came twice"]
