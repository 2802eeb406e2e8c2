"""KServe's own reader, kserve-storage, finds what the registry published: the same bytes under the same names."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moorage.errors import InvalidName
from moorage.predictor import ModelSource
from moorage.registry.kserve_reader import storage_uri
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store

FILES = {
    "model.bin": os.urandom(20 << 20),
    "Files/deep/er/and/deeper/model.bin": b"nested",
    ".hidden": b"dot",
    ".folder/.hidden": b"dots",
    "a b/two  spaces": b"spaces",
    "ünï/çødé/模型.txt": b"unicode",
    "1+1=2 &c": b"plus",
    "100%/%20.txt": b"percent",
    "what?#[x]*~'\"": b"odd",
}

READER = """
import sys
from kserve_storage import Storage
Storage.download(sys.argv[1], sys.argv[2])
"""


def save(folder: Path, files: dict[str, bytes]) -> ModelSource:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return ModelSource(path=str(folder))


def read_by_kserve(uri: str, folder: Path) -> dict[str, bytes]:
    """What KServe makes of the URI, in a process of its own as in a pod."""
    told = subprocess.run([sys.executable, "-c", READER, uri, str(folder)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    places = (Path(place) / name for place, _, names in os.walk(folder, followlinks=True) for name in names)
    return {str(place.relative_to(folder)): place.read_bytes() for place in places}


def test_kserve_reads_from_s3_what_training_saved_byte_for_byte(s3_store: S3Store, tmp_path: Path) -> None:
    registry = Registry(s3_store, "demo")
    model = registry.publish("iris", save(tmp_path / "trained", FILES)).model
    assert read_by_kserve(registry.storage_uri(model), tmp_path / "pod") == FILES


def test_kserve_reads_nothing_of_versions_that_begin_alike(s3_store: S3Store, tmp_path: Path) -> None:
    registry = Registry(s3_store, "demo")
    for number in range(1, 11):
        source = save(tmp_path / "trained", {"model": b"%d" % number, f"only/{number}": b"x"})
        registry.publish("iris", source)
        (tmp_path / "trained" / "only" / str(number)).unlink()
    for number in (1, 10):
        uri = registry.storage_uri(registry.get("iris", number))
        expected = {"model": b"%d" % number, f"only/{number}": b"x"}
        assert read_by_kserve(uri, tmp_path / f"pod-{number}") == expected


def test_empty_files_do_not_reach_kserve_from_s3_and_the_author_is_told(
    s3_store: S3Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(s3_store, "demo")
    source = save(tmp_path / "trained", {"model": b"x", "package/__init__.py": b"", "marker": b""})
    model = registry.publish("iris", source).model
    assert "'iris' version 1 holds empty files: 'marker', 'package/__init__.py'. KServe's own reader" in caplog.text
    assert read_by_kserve(registry.storage_uri(model), tmp_path / "pod") == {"model": b"x"}
    registry.download_model(model, tmp_path / "ours")
    assert (tmp_path / "ours" / "package" / "__init__.py").read_bytes() == b""


def test_kserve_reads_from_a_directory_all_but_what_is_hidden_at_the_top(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(DirectoryStore(tmp_path / "my models, 100%"), "demo")
    files = {path: content for path, content in FILES.items() if not path.startswith(".")}
    model = registry.publish("iris", save(tmp_path / "trained", {**files, "empty": b"", ".hidden": b"dot"})).model
    assert read_by_kserve(registry.storage_uri(model), tmp_path / "pod") == {**files, "empty": b""}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("store_url", "expected"),
    [
        ("s3://models", "s3://models/P/Files/"),
        ("s3://models/team a/50%;x", "s3://models/team a/50%;x/P/Files/"),
        ("file:///srv/m", "file:///srv/m/P/Files/"),
        ("file:///srv/my%20models", "file:///srv/my models/P/Files/"),
    ],
)
def test_the_uri_is_what_kserve_takes_and_ends_with_a_slash(store_url: str, expected: str) -> None:
    assert storage_uri(store_url, "P/Files/") == expected


@pytest.mark.parametrize("store_url", ["s3://models/what?", "s3://models/a#b", "s3://models/a\tb"])
def test_a_store_that_kserve_would_misread_is_refused(store_url: str) -> None:
    with pytest.raises(InvalidName, match=r"KServe cannot read from the store .* below another prefix"):
        storage_uri(store_url, "P/Files/")
