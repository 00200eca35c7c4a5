"""The evidence store: bytes by their hash, whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from alerts.evidence import EvidenceStore
from models.errors import NotFound, Unavailable

PICTURE = b"\xff\xd8 a masked picture \xff\xd9"
SHA = hashlib.sha256(PICTURE).hexdigest()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_put_is_found_by_its_hash_also_twice(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    assert store.put(PICTURE) == store.put(PICTURE) == SHA
    assert EvidenceStore(tmp_path / "evidence").get(SHA) == PICTURE
    assert files(tmp_path) == [f"evidence/{SHA[:2]}/{SHA[2:4]}/{SHA}"]


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    EvidenceStore(tmp_path / "evidence").put(PICTURE)
    assert (tmp_path / "evidence").stat().st_mode & 0o077 == 0
    assert next(tmp_path.rglob(SHA)).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name", ["", SHA.upper(), SHA[:63], SHA + "0", "../" * 20 + "0000", "0" * 64, SHA + "\n", "\x00"]
)
def test_what_is_not_there_or_no_name_at_all_is_not_found(tmp_path: Path, name: str) -> None:
    store = EvidenceStore(tmp_path)
    store.put(PICTURE)
    with pytest.raises(NotFound):
        store.get(name)


def test_damage_is_noticed_and_mended_by_putting_it_again(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    store.put(PICTURE)
    next(tmp_path.rglob(SHA)).write_bytes(PICTURE[:-1])
    with pytest.raises(NotFound, match="damaged"):
        store.get(SHA)
    store.put(PICTURE)
    assert store.get(SHA) == PICTURE


def test_a_disk_that_refuses_leaves_nothing_and_asks_to_come_back(tmp_path: Path) -> None:
    (tmp_path / SHA[:2]).write_text("a file where a folder must be")
    with pytest.raises(Unavailable):
        EvidenceStore(tmp_path).put(PICTURE)
    assert files(tmp_path) == [SHA[:2]]
