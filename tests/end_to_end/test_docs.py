"""What the documents tell people to type is typed here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.settings import VARIABLES, read_settings
from ops.demo import on_stage
from ops.demo_scene import gate, plaza
from ops.footage import CACHE
from wangge import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])
RUN_BY_OTHER_TESTS = {"demo", "up", "test", "bench"}


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)


def commands() -> list[list[str]]:
    """Every ``./run …`` of the README that no other test starts, without its comment."""
    lines = [line for block in blocks(ROOT / "README.md", "") for line in block.splitlines()]
    said = [line.partition("#")[0].split()[1:] for line in lines if line.startswith("./run ")]
    return [words for words in said if words[0] not in RUN_BY_OTHER_TESTS]


def wangge(words: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    return subprocess.run(
        [sys.executable, "-m", "wangge", *words],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT), "WANGGE_DATA": str(cwd / "data"), "WANGGE_PORT": "0", **variables},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_readmes_commands_run(tmp_path: Path) -> None:
    shutil.copy(ROOT / "ops" / "demo_grids.geojson", tmp_path / "grids.geojson")
    assert wangge(["db", "upgrade"], tmp_path).returncode == 0
    ran = set()
    for words in commands():
        done = wangge(words, tmp_path)
        ran.add(words[0])
        if words[:2] == ["camera", "probe"]:  # the README's address is nobody's
            assert done.returncode == 1
            assert "10.0.0.7" in done.stderr
            assert "Traceback" not in done.stderr
        elif words == ["doctor"]:
            assert "Traceback" not in done.stderr
            assert done.stdout.strip()
        else:
            assert done.returncode == 0, f"{words}: {done.stderr}"
    assert ran >= {"grid", "user", "camera", "doctor", "backup"}
    assert (tmp_path / "wangge-backup.tar.gz").stat().st_size > 0


def test_both_readmes_tell_the_same_commands() -> None:
    def told(name: str) -> list[str]:
        lines = [line for block in blocks(ROOT / name, "") for line in block.splitlines()]
        return [line.partition("#")[0].strip() for line in lines if line.startswith("./run")]

    assert told("README.md") == told("README.zh-CN.md")


def test_every_command_is_in_the_help() -> None:
    groups = {group.name for group in app.registered_groups}
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for words in commands():
        assert words[0] in groups | known, words


def test_the_table_of_settings_is_the_one_that_is_read() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for variable in VARIABLES:
        default = f"`{variable.default}`" if variable.default else "empty"
        assert f"| `{variable.name}` | {variable.unit} | {default} | {variable.meaning} |" in text
    assert text.count("| `WANGGE_") == len(VARIABLES)


def test_links_within_the_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} → {target}"


def test_the_walk_through_the_api_runs_as_it_is_written(tmp_path: Path, vtest: Path) -> None:
    for program in ("curl", "jq"):
        if shutil.which(program) is None:
            pytest.fail(f"the walk needs {program}: `./run test` installs it, or apt-get install {program}")
    scenes = (plaza(vtest), gate())
    files = {scene.name: scene.prepare(CACHE / "footage", lambda _done: None) for scene in scenes}
    settings = read_settings({"WANGGE_DATA": str(tmp_path / "data"), "WANGGE_PORT": "0"})
    with on_stage(settings, scenes, files, lambda _what: None, 60) as (product, seeded):
        passwords = {sign_in.username: sign_in.password for sign_in in seeded.sign_ins.values()}
        typed = [block for name in ("api.md", "intake.md") for block in blocks(ROOT / "docs" / name, "bash")]
        script = ["set -euo pipefail", *typed]
        done = subprocess.run(
            ["/bin/bash", "-c", "\n".join(script)],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "API": product.url,
                "OPERATOR_PASSWORD": passwords["demo-operator"],
                "WORKER_PASSWORD": passwords["demo-worker"],
                "ADMIN_PASSWORD": passwords["demo-admin"],
            },
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('{"status":403,"code":"forbidden"') == 4
    assert "\n403\n403\n" in done.stdout
    states = [
        line
        for line in done.stdout.splitlines()
        if line in ("acknowledged", "accepted", "on_scene", "handled", "verified", "closed")
    ]
    assert states == ["acknowledged", "accepted", "on_scene", "handled", "verified", "closed"]
    assert "event: alert" in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith('{"status":201,"alert":')]
    assert [line.partition('"disposition":')[2] for line in told] == ['"raise"}', '"merge"}', '"raise"}', '"raise"}']
    assert '{"id":"p-1","status":200}\n{"id":"p-2","status":422}' in done.stdout
    assert '"stage":"received"' in done.stdout
    assert done.stdout.splitlines()[-1] == "409"
    assert (tmp_path / "still.jpg").read_bytes().startswith(b"\xff\xd8\xff")
