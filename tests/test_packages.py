"""Wangge is an application with short package names at its root: each must resolve to ours, wherever it is run from."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "detectors", "alerts", "ingest", "api", "ops")


@pytest.mark.parametrize("name", [*PACKAGES, "wangge"])
def test_the_name_is_ours(name: str) -> None:
    found = importlib.import_module(name).__file__
    assert found is not None
    assert Path(found).resolve() == ROOT / (f"{name}.py" if name == "wangge" else f"{name}/__init__.py")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_loads_nothing_by_itself(name: str) -> None:
    program = f"import sys; before = set(sys.modules); import {name}; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"['{name}']"
