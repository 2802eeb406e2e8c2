"""What lies in a folder of the store is brought here, and nothing else is touched."""

from pathlib import Path

import pytest

from moorage.errors import NotFound
from moorage.store import open_store
from moorage.store.fetching import fetch_folder

PREFIX = "Projects/default/Resources/models/"


@pytest.fixture
def store(tmp_path):
    return open_store((tmp_path / "store").as_uri())


def test_a_folder_comes_with_all_that_is_in_it(store, tmp_path):
    store.put_if_absent(f"{PREFIX}iris.yaml", b"name: iris")
    store.put_if_absent(f"{PREFIX}iris/predictor.py", b"pass")
    assert fetch_folder(store, PREFIX, tmp_path / "here")
    found = {str(path.relative_to(tmp_path / "here")): path.read_bytes() for path in (tmp_path / "here").rglob("*.*")}
    assert found == {"iris.yaml": b"name: iris", "iris/predictor.py": b"pass"}


def test_where_there_is_nothing_nothing_is_made(store, tmp_path):
    assert not fetch_folder(store, PREFIX, tmp_path / "here")
    assert not (tmp_path / "here").exists()


class Foreign:
    """A store that holds what others than Moorage put there: our own checks each key that it is given."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def list(self, _prefix: str):
        return iter([type("Info", (), {"key": key})() for key in self.keys])

    def get(self, _key: str) -> bytes:
        return b""


@pytest.mark.parametrize("inside", ["../../x.yaml", "/etc/x.yaml", "iris/../../x.yaml"])
def test_a_key_that_leads_out_of_its_folder_is_refused(tmp_path, inside):
    with pytest.raises(NotFound, match="leads out of it"):
        fetch_folder(Foreign(PREFIX + inside), PREFIX, tmp_path / "here")  # type: ignore[arg-type]
    assert list(Path(tmp_path).iterdir()) == []


def test_what_nobody_wrote_by_hand_is_refused(tmp_path):
    with pytest.raises(NotFound, match="more than 10000 files"):
        fetch_folder(Foreign(*(f"{PREFIX}{number}" for number in range(10_001))), PREFIX, tmp_path / "here")  # type: ignore[arg-type]
