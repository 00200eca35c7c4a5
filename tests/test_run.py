"""``./run``: its set-up is done once, a broken one is begun again, and other words go to the command line.

It runs here in a small tree of its own, on a PATH whose python3, pip and Debian tools are scripts that note down what
they were asked. That the real ones do it too is shown by a clean clone, not here.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

PYTHON3 = """#!/bin/bash
case "$*" in
  -VV) echo "Python 3.11.9" ;;
  "-m venv "*)
    echo "venv" >>"$NOTES"
    mkdir -p "$3/bin"
    cp "$(dirname "$0")/venv-python" "$3/bin/python"
    ;;
esac
"""
VENV_PYTHON = """#!/bin/bash
case "$*" in
  -c*) mkdir -p "${0%/bin/python}/site" && echo "${0%/bin/python}/site" ;;
  "-m pip "*)
    echo "pip $(basename "${@: -1}")" >>"$NOTES"
    [[ ! -e $PIP_BREAKS ]] || { echo "the connection was reset"; exit 2; }
    for tool in ruff mypy lint-imports deptry; do
      printf '#!/bin/bash\\necho "%s $*" >>"$NOTES"\\n[[ %s != "$BREAKS" ]]' $tool $tool >"${0%/*}/$tool"
      chmod +x "${0%/*}/$tool"
    done
    ;;
  "-P -m wangge "*) echo "wangge ${*:4} in $WANGGE_DATA" >>"$NOTES" ;;
  "-m pytest "*) echo "pytest${PYTHONDONTWRITEBYTECODE:+, each process compiling anew}" >>"$NOTES"; echo "3 passed" ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A tree with ``run`` in it, and what the tools around it were asked."""

    root: Path
    tools: Path

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """``PATH`` holds our tools before the system's; no pip, apt or mirror is ever reached."""
        told = {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "NOTES": str(self.notes_file),
            "PIP_BREAKS": str(self.root / "pip-breaks"),
            **environ,
        }
        line = [self.root / "run", *words]
        return subprocess.run(line, env=told, cwd="/", capture_output=True, text=True, timeout=30, check=False)

    @property
    def notes_file(self) -> Path:
        return self.tools.parent / "notes"

    def notes(self) -> list[str]:
        """What was asked since the last look."""
        found = self.notes_file.read_text().splitlines() if self.notes_file.exists() else []
        self.notes_file.unlink(missing_ok=True)
        return found

    @property
    def stamp(self) -> Path:
        return self.root / ".venv" / ".stamp"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, tools = tmp_path / "a checkout", tmp_path / "bin"
    (root / "requirements").mkdir(parents=True)
    tools.mkdir()
    shutil.copy(ROOT / "run", root)
    for kind in ("runtime", "dev"):
        (root / "requirements" / f"{kind}.txt").write_text(f"{kind}==1\n")
    scripts = {"python3": PYTHON3, "venv-python": VENV_PYTHON, "dpkg-query": "#!/bin/sh\nprintf installed\n"}
    for name, text in scripts.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return Checkout(root, tools)


def test_it_is_sound_bash_and_ci_runs_nothing_weaker() -> None:
    subprocess.run(["bash", "-n", ROOT / "run"], check=True)
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.strip() and not line.startswith("#")
    ]
    assert commands == ['exec "$(dirname "$0")/../run" test']
    assert os.access(ROOT / "run", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_set_up_is_done_once_and_any_other_word_goes_to_the_command_line(checkout: Checkout) -> None:
    first = checkout.run("camera", "list --json")
    assert first.returncode == 0, first.stderr
    assert checkout.notes() == ["venv", "pip runtime.txt", f"wangge camera list --json in {checkout.root}/.data"]
    assert "✓ 1 Python packages" in first.stderr
    again = checkout.run("demo", "--headless", WANGGE_DATA="/elsewhere")
    assert checkout.notes() == ["wangge demo --headless in /elsewhere"]
    assert again.stderr == ""
    (path_file,) = (checkout.root / ".venv" / "site").iterdir()
    assert path_file.read_text() == f"{checkout.root}\n"


def test_a_broken_download_leaves_no_stamp_and_is_begun_again(checkout: Checkout) -> None:
    (checkout.root / "pip-breaks").touch()
    broken = checkout.run("demo")
    assert broken.returncode == 1
    assert "the connection was reset" in broken.stderr
    assert "Run the same command again" in broken.stderr
    assert not checkout.stamp.exists()
    assert checkout.notes() == ["venv", "pip runtime.txt"]
    (checkout.root / "pip-breaks").unlink()
    (checkout.root / ".venv" / "half-made").touch()
    assert checkout.run("demo").returncode == 0
    assert checkout.notes()[:2] == ["venv", "pip runtime.txt"]
    assert not (checkout.root / ".venv" / "half-made").exists()


def test_test_adds_to_what_demo_installed_and_serves_demo_after(checkout: Checkout) -> None:
    checkout.run("demo")
    checkout.notes()
    done = checkout.run("test", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stderr
    assert checkout.notes() == [
        "pip dev.txt",
        "wangge footage in ",
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "lint-imports ",
        "deptry --no-ansi .",
        "pytest",
    ]
    assert "3 passed" in done.stdout
    assert "all checks passed" in done.stderr
    checkout.run("demo")
    assert checkout.notes() == [f"wangge demo in {checkout.root}/.data"]


def test_a_broken_addition_is_begun_again(checkout: Checkout) -> None:
    checkout.run("demo")
    (checkout.root / "pip-breaks").touch()
    assert checkout.run("test").returncode == 1
    assert not checkout.stamp.exists()


@pytest.mark.parametrize("broken", ["ruff", "mypy", "lint-imports", "deptry"])
def test_the_first_check_that_fails_fails_the_test_command(checkout: Checkout, broken: str) -> None:
    done = checkout.run("test", BREAKS=broken)
    assert done.returncode == 1
    assert "pytest" not in checkout.notes()
    assert "all checks passed" not in done.stderr


def test_what_is_locked_or_where_it_lies_has_changed(checkout: Checkout) -> None:
    checkout.run("demo")
    checkout.notes()
    (checkout.root / "requirements" / "runtime.txt").write_text("runtime==2\n")
    checkout.run("demo")
    assert checkout.notes()[:2] == ["venv", "pip runtime.txt"]
    moved = Checkout(checkout.root.rename(checkout.root.with_name("moved")), checkout.tools)
    moved.run("demo")
    assert moved.notes()[:2] == ["venv", "pip runtime.txt"]


def test_two_at_once_set_up_once(checkout: Checkout) -> None:
    told = {"PATH": f"{checkout.tools}:/usr/bin:/bin", "NOTES": str(checkout.notes_file), "PIP_BREAKS": "/nowhere"}
    both = [subprocess.Popen([checkout.root / "run", "demo"], env=told, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]
    assert sorted(note.split()[0] for note in checkout.notes()) == ["pip", "venv", "wangge", "wangge"]
