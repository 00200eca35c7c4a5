"""The vault: what is sealed opens only with its key and for what it was sealed for."""

import threading
from pathlib import Path

import pytest

from alerts.vault import KEY_BYTES, Vault
from models.errors import Misconfigured

SECRET = b'["viewer", "s3cret-pass"]'


def test_what_is_sealed_opens_again_also_in_another_process(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "keys" / "secret.key").seal(SECRET, "camera-1")
    assert SECRET not in sealed
    assert b"viewer" not in sealed
    assert Vault(tmp_path / "keys" / "secret.key").open(sealed, "camera-1") == SECRET


def test_two_seals_of_one_secret_differ(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    assert vault.seal(SECRET, "camera-1") != vault.seal(SECRET, "camera-1")


def test_the_key_is_for_its_owner_only_and_no_draft_stays(tmp_path: Path) -> None:
    Vault(tmp_path / "secret.key").seal(SECRET, "camera-1")
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "secret.key").read_bytes()) == KEY_BYTES


def test_credentials_moved_to_another_camera_do_not_open(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    with pytest.raises(Misconfigured, match="camera-2"):
        vault.open(vault.seal(SECRET, "camera-1"), "camera-2")


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s[:20] + bytes([s[20] ^ 1]) + s[21:], lambda _: b""])
def test_a_changed_seal_does_not_open(tmp_path: Path, change: object) -> None:
    vault = Vault(tmp_path / "secret.key")
    with pytest.raises(Misconfigured, match="do not open"):
        vault.open(change(vault.seal(SECRET, "camera-1")), "camera-1")  # type: ignore[operator]


def test_a_lost_key_is_asked_for_and_never_replaced_in_silence(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "secret.key").seal(SECRET, "camera-1")
    (tmp_path / "secret.key").unlink()
    with pytest.raises(Misconfigured, match="restore it from the backup"):
        Vault(tmp_path / "secret.key").open(sealed, "camera-1")
    assert not (tmp_path / "secret.key").exists()


def test_another_key_says_so(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "one.key").seal(SECRET, "camera-1")
    other = Vault(tmp_path / "other.key")
    other.seal(SECRET, "camera-1")
    with pytest.raises(Misconfigured, match="restore the key file"):
        other.open(sealed, "camera-1")


def test_a_key_that_others_may_read_or_of_another_length_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    Vault(key).seal(SECRET, "camera-1")
    key.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        Vault(key).seal(SECRET, "camera-1")
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(Misconfigured, match="5 bytes"):
        Vault(key).seal(SECRET, "camera-1")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be used"):
        Vault(tmp_path / "file" / "secret.key").seal(SECRET, "camera-1")


def test_starting_many_at_once_makes_one_key(tmp_path: Path) -> None:
    vaults = [Vault(tmp_path / "secret.key") for _ in range(8)]
    sealed: list[bytes] = []
    threads = [threading.Thread(target=lambda v=v: sealed.append(v.seal(SECRET, "c"))) for v in vaults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Vault(tmp_path / "secret.key").open(each, "c") for each in sealed] == [SECRET] * 8


def test_the_key_never_shows(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    vault.seal(SECRET, "camera-1")
    assert repr(vault) == f"Vault({tmp_path / 'secret.key'})"
