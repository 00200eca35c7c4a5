"""Fetching the demo's footage: what is no whole, known vtest.avi never gets the final name. Packages are made here."""

import subprocess
from pathlib import Path

import pytest

from models.errors import Misconfigured, Unavailable
from ops.footage import MEMBER, cached, fetch, install


def package(folder: Path, files: dict[str, bytes]) -> Path:
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: opencv-doc\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: made\n"
    )
    for name, content in files.items():
        path = tree / "usr/share/doc/opencv-doc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    deb = folder / "opencv-doc_1_all.deb"
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--build", tree, deb], check=True, capture_output=True)
    return deb


def test_the_known_footage_is_installed(tmp_path: Path, vtest: Path) -> None:
    deb = package(tmp_path, {"examples/README": b"first", f"examples/data/{MEMBER}": vtest.read_bytes()})
    assert install(deb, tmp_path / "cache").read_bytes() == vtest.read_bytes()
    assert cached(tmp_path / "cache") is not None


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "footage").mkdir()
    (tmp_path / "footage" / MEMBER).write_bytes(b"there")
    said: list[str] = []
    assert fetch(said.append, tmp_path).read_bytes() == b"there"
    assert said == []


@pytest.mark.parametrize(
    "files",
    [{}, {"examples/data/other.avi": b"x"}, {f"examples/data/{MEMBER}": b"another film"}],
    ids=["empty", "without it", "another film"],
)
def test_a_package_with_something_else_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    deb = package(tmp_path, files)
    with pytest.raises(Unavailable, match="another"):
        install(deb, tmp_path / "cache")
    assert cached(tmp_path / "cache") is None


def test_a_download_cut_short_is_refused(tmp_path: Path, vtest: Path) -> None:
    deb = package(tmp_path, {f"examples/data/{MEMBER}": vtest.read_bytes()})
    deb.write_bytes(deb.read_bytes()[: deb.stat().st_size // 2])
    with pytest.raises(Unavailable):
        install(deb, tmp_path / "cache")
    assert cached(tmp_path / "cache") is None


def test_without_apt_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="--footage FILE"):
        fetch(print, tmp_path)


def test_a_download_that_breaks_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\necho half > opencv-doc_1_all.deb.part\nexit 100\n")
    (tools / "dpkg-deb").write_text("#!/bin/sh\nexit 1\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    cache = tmp_path / "cache"
    with pytest.raises(Unavailable, match="run it again"):
        fetch(lambda _: None, cache)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(Misconfigured, match="cannot be written"):
        fetch(lambda _: None, tmp_path / "cache")
