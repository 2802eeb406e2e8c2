"""Secrets of this machine are read, and never shown."""

import pytest

from moorage.errors import SecretMissing
from moorage.secret_files import read_secret


@pytest.fixture
def keep(tmp_path):
    """Puts a secret there."""

    def put(held: bytes, mode: int = 0o600) -> None:
        (tmp_path / "hub").mkdir()
        path = tmp_path / "hub" / "token"
        path.write_bytes(held)
        path.chmod(mode)

    return put


@pytest.mark.parametrize(
    ("held", "value"),
    [(b"s3cret", "s3cret"), (b"s3cret\n", "s3cret"), (b"s3cret\r\n", "s3cret"), (b"a\n\n", "a\n"), (b"", "")],
)
def test_a_secret_is_what_its_file_holds_without_the_lines_end(tmp_path, keep, held, value):
    keep(held)
    assert read_secret(tmp_path, "hub", "token") == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_reach_is_refused(tmp_path, keep, mode):
    keep(b"s3cret", mode)
    with pytest.raises(SecretMissing, match="can be read by others") as told:
        read_secret(tmp_path, "hub", "token")
    assert f"chmod 600 {tmp_path}/hub/token" in str(told.value)


@pytest.mark.parametrize("held", [b"s3cret\xff", b"s3cret\0"], ids=["no text", "a NUL"])
def test_what_no_variable_can_hold_is_refused_and_not_shown(tmp_path, keep, held):
    keep(held)
    with pytest.raises(SecretMissing) as told:
        read_secret(tmp_path, "hub", "token")
    assert "s3cret" not in repr(told.value) + str(told.value.__context__)


def test_a_secret_that_is_not_there_is_told_with_its_place(tmp_path):
    with pytest.raises(SecretMissing, match=r"Secret 'hub' has no key 'token' here: .*/hub/token: No such file"):
        read_secret(tmp_path, "hub", "token")
