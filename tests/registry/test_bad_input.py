"""What goes wrong around a registry, over each store: a clear error, nothing lost, and the way out works."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import pytest

from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound, StoreRefused, StoreUnavailable
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store
from tests.seaweed import Seaweed
from tests.store.faulty_proxy import Answer, Ask, FaultyProxy, doing_first, running_proxy

KEYS = Keys("demo")
FILES = {"a": b"one", "sub/b": b"two"}
DEEP = "/".join(["d"] * 319)  # with a file's name in it, as long as a path may be


class AfterTheClaim:
    """Does something once a version's number is taken: its files are hashed then, and not yet sent."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        is_new: bool = super().put_if_absent(key, body)  # type: ignore[misc]
        if key.endswith("-claim.json"):
            self.then()
        return is_new


class MeddlingDirectory(AfterTheClaim, DirectoryStore):
    pass


class MeddlingS3(AfterTheClaim, S3Store):
    pass


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, root: Path) -> ObjectStore:
    if request.param == "directory":
        return MeddlingDirectory(root)
    bucket, _, prefix = request.getfixturevalue("s3_store").url.removeprefix("s3://").partition("/")
    return MeddlingS3(bucket, prefix)


@pytest.fixture
def registry(store: ObjectStore) -> Registry:
    return Registry(store, "demo")


@pytest.fixture
def trained(tmp_path: Path) -> ModelSource:
    return save(tmp_path / "trained", FILES)


@pytest.fixture
def proxy(seaweed: Seaweed, s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy before the server; what is sent to `s3_store` from here on goes through it."""
    with running_proxy(seaweed.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield proxy


def save(folder: Path, files: dict[str, bytes]) -> ModelSource:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return ModelSource(path=str(folder))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def replace(store: ObjectStore, key: str, content: bytes) -> None:
    store.delete(key)
    store.put_if_absent(key, content)


def make_levels(folder: Path, levels: int) -> None:
    """A file so many folders deep; the path to it may be longer than the system takes."""
    folder.mkdir()
    place = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("level", dir_fd=place)
        inner = os.open("level", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)


@pytest.mark.parametrize(
    "path",
    [
        "two  words / and more ",
        "modèl/模型/🚢",
        "1+1=2+",
        "100%/%20%2F%",
        ".hidden/..hidden/...",
        "a&b?c#d;e=f",
        "\"quote'*[x]|<y>",
        "line\nbreak",
        DEEP + "/f",
    ],
    ids=["spaces", "unicode", "plus", "percent", "leading dots", "query", "quotes", "control", "319 levels"],
)
def test_a_path_that_looks_odd_comes_back_as_it_was(registry: Registry, tmp_path: Path, path: str) -> None:
    model = registry.publish("iris", save(tmp_path / "trained", {path: b"odd", "model": b"x"})).model
    registry.verify("iris")
    registry.download_model(model, tmp_path / "down")
    assert contents(tmp_path / "down") == {path: b"odd", "model": b"x"}


@pytest.mark.parametrize("levels", [107, 1000])
def test_what_lies_too_deep_is_refused_before_anything_is_written(tmp_path: Path, levels: int) -> None:
    make_levels(tmp_path / "deep", levels)
    try:
        registry = Registry(DirectoryStore(tmp_path / "store"), "demo")
        for refuse in (registry.publish, registry.check_source):
            with pytest.raises(InvalidName, match=r"the path 'level/level/.*'… is longer than 640 bytes"):
                refuse("iris", ModelSource(path=str(tmp_path / "deep")))
        assert not (tmp_path / "store").exists()
    finally:
        # Python's own removal recurses, and ends where its stack does.
        subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


def test_a_backslash_that_some_store_takes_for_a_slash_is_refused(
    registry: Registry, store: ObjectStore, tmp_path: Path
) -> None:
    with pytest.raises(InvalidName, match=r"holds a backslash, which some stores take for '/'.*rename"):
        registry.publish("iris", save(tmp_path / "trained", {"sub\\a": b"one", "model": b"x"}))
    assert list(store.list("")) == []


def test_names_that_differ_only_in_case_are_refused_before_anything_is_written(
    registry: Registry, store: ObjectStore, tmp_path: Path
) -> None:
    source = save(tmp_path / "trained", {"Model": b"one", "model": b"two"})
    if len(list((tmp_path / "trained").iterdir())) < 2:
        pytest.skip("this disk itself takes them for one")
    with pytest.raises(InvalidName, match=r"'Model' and 'model' are one name on macOS and Windows.*rename"):
        registry.publish("iris", source)
    assert list(store.list("")) == []


def test_an_alias_to_a_version_that_does_not_exist_is_refused(registry: Registry, trained: ModelSource) -> None:
    registry.publish("iris", trained)
    with pytest.raises(NotFound, match=r"'iris' has no version 7\..*Name one that exists"):
        registry.references("iris").move_aliases({"champion": 7})
    with pytest.raises(NotFound, match=r"no alias 'champion'\. It has no aliases yet"):
        registry.get("iris", "champion")


@pytest.mark.parametrize("content", [b"tw", b"TWO", b"two and more", b""], ids=["short", "altered", "long", "empty"])
def test_a_spoiled_object_is_named_with_both_digests_and_not_delivered(
    registry: Registry, store: ObjectStore, trained: ModelSource, tmp_path: Path, content: bytes
) -> None:
    model = registry.publish("iris", trained).model
    replace(store, KEYS.model_files("iris", 1) + "sub/b", content)
    found, expected = (hashlib.sha256(text).hexdigest() for text in (content, b"two"))
    with pytest.raises(IntegrityError, match=f"sub/b' is not what was published.*{found}.*{expected}"):
        registry.download_model(model, tmp_path / "down" / "files")
    assert os.listdir(tmp_path / "down") == []
    with pytest.raises(IntegrityError, match=f"'sub/b' .*{expected}.*{found}"):
        registry.verify("iris")


@pytest.mark.parametrize("content", [b"one and more", b"o", b""], ids=["grown", "shrunk", "emptied"])
def test_a_file_that_changes_before_it_is_sent_makes_no_version(
    registry: Registry, store: Any, trained: ModelSource, content: bytes
) -> None:
    store.then = lambda: (Path(trained.path) / "a").write_bytes(content)
    with pytest.raises(CallerError, match=r"/a' changed while it was published.*Wait until training has finished"):
        registry.publish("iris", trained)
    assert [found.key for found in store.list("")] == [KEYS.claim("iris", 1)]
    store.then = lambda: None
    assert registry.publish("iris", trained).model.version == 2


def test_a_file_that_vanishes_before_it_is_sent_makes_no_version(
    registry: Registry, store: Any, trained: ModelSource
) -> None:
    store.then = (Path(trained.path) / "a").unlink
    with pytest.raises(CallerError, match="/a' changed while it was published"):
        registry.publish("iris", trained)
    assert [found.key for found in store.list("")] == [KEYS.claim("iris", 1)]


@pytest.mark.parametrize("size", [30 << 20, 9 << 20], ids=["grows", "shrinks"])
def test_a_file_that_changes_in_the_middle_of_its_upload_makes_no_version(
    s3_store: S3Store, proxy: FaultyProxy, tmp_path: Path, size: int
) -> None:
    source = save(tmp_path / "trained", {"weights": os.urandom(20 << 20)})
    # Its beginning is read then, and shows that the file goes up in parts.
    proxy.fail("POST ?uploads", doing_first(lambda: os.truncate(tmp_path / "trained" / "weights", size)))
    with pytest.raises(CallerError, match="/weights' changed while it was published"):
        Registry(s3_store, "demo").publish("iris", source)
    assert [found.key for found in s3_store.list("")] == [KEYS.claim("iris", 1)]


def test_a_full_disk_is_told_and_what_fits_comes_down_later(registry: Registry, tmp_path: Path) -> None:
    model = registry.publish("iris", save(tmp_path / "trained", {"weights": os.urandom(300_000)})).model
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount file systems can fill one")
    try:
        with pytest.raises(StoreRefused, match=rf"disk full.*MB are free at {disk}"):
            registry.download_model(model, disk / "files")
        assert os.listdir(disk) == []
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        registry.download_model(model, disk / "files")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_version_that_is_deleted_while_it_comes_down_is_said_to_be(
    s3_store: S3Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    registry = Registry(s3_store, "demo")
    model = registry.publish("iris", save(tmp_path / "trained", {str(n): b"x" for n in range(20)})).model
    proxy.fail("GET /Files/", doing_first(lambda: registry.references("iris").delete(1, actor="ann")))
    with pytest.raises(NotFound, match=r"Version 1 of model 'iris' was deleted on .* by ann"):
        registry.download_model(model, tmp_path / "down" / "files")
    assert os.listdir(tmp_path / "down") == []


VERBS: dict[str, Callable[[Registry, ModelSource], object]] = {
    "publish": lambda registry, source: registry.publish("iris", source),
    "get": lambda registry, _: registry.get("iris"),
    "list": lambda registry, _: registry.models(),
    "verify": lambda registry, _: registry.verify("iris"),
    "collect": lambda registry, _: registry.collect_garbage(),
}
by_verb = pytest.mark.parametrize("act", VERBS.values(), ids=VERBS.keys())


@by_verb
def test_a_bucket_that_does_not_exist_is_named(
    s3_store: S3Store, trained: ModelSource, act: Callable[[Registry, ModelSource], object]
) -> None:
    bucket = f"missing-{secrets.token_hex(4)}"
    with pytest.raises(StoreRefused, match=f"bucket '{bucket}' at .*NoSuchBucket.*Create the bucket"):
        act(Registry(S3Store(bucket), "demo"), trained)


@by_verb
def test_wrong_credentials_are_said_and_not_shown(
    s3_store: S3Store,
    trained: ModelSource,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Registry, ModelSource], object],
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with pytest.raises(StoreRefused, match=r"SignatureDoesNotMatch.*Check the credentials") as refusal:
        act(Registry(s3_store, "demo"), trained)
    assert "hush" not in str(refusal.value)


@by_verb
def test_a_store_that_is_down_from_the_start_is_said_to_be(
    s3_store: S3Store,
    trained: ModelSource,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Registry, ModelSource], object],
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(StoreUnavailable, match=r"at http://127.0.0.1:\d+ did not answer .*AWS_ENDPOINT_URL"):
            act(Registry(s3_store, "demo"), trained)


def going_down(proxy: FaultyProxy, ask: Ask) -> Answer | None:
    """From here on nobody is answered."""
    proxy.fail("", *[lambda *_: None] * 1000)
    return None


def test_a_store_that_goes_down_while_a_model_is_published_has_no_version_of_it(
    s3_store: S3Store, proxy: FaultyProxy, tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "trained", {str(number): b"x" * (number + 1) for number in range(20)})
    proxy.fail("PUT /Files/7", going_down)
    with pytest.raises(StoreUnavailable, match=r"did not answer"):
        Registry(s3_store, "demo").publish("iris", source)
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint_url)
    store = S3Store(*s3_store.url.removeprefix("s3://").split("/", 1))
    again = Registry(store, "demo")
    assert again.models() == []
    assert again.publish("iris", source).model.version == 2
    again.verify("iris")
    again.collect_garbage(lease_s=0)
    assert [found.key for found in store.list(KEYS.version_files("iris", 1))] == []


def test_a_store_that_goes_down_while_a_model_comes_down_leaves_what_was_there(
    s3_store: S3Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    registry = Registry(s3_store, "demo")
    files = {str(number): b"x" * (number + 1) for number in range(20)}
    model = registry.publish("iris", save(tmp_path / "trained", files)).model
    save(tmp_path / "down" / "files", {"old": b"old"})
    proxy.fail("GET /Files/7", going_down)
    with pytest.raises(StoreUnavailable, match=r"did not answer"):
        registry.download_model(model, tmp_path / "down" / "files")
    assert (contents(tmp_path / "down"), os.listdir(tmp_path / "down")) == ({"files/old": b"old"}, ["files"])


@pytest.fixture
def read_only(seaweed: Seaweed, s3_store: S3Store, tmp_path: Path) -> Iterator[Registry]:
    """A bucket with one model version that nobody may write to or delete from."""
    bucket = f"read-only-{secrets.token_hex(4)}"
    seaweed.create_bucket(bucket)
    registry = Registry(S3Store(bucket), "demo")
    registry.publish("iris", save(tmp_path / "before", {"old": b"old"}))
    denied = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject"]}
    policy = {"Version": "2012-10-17", "Statement": [{**denied, "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    client = boto3.session.Session().client("s3")
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    yield registry
    client.delete_bucket_policy(Bucket=bucket)
    client.close()


def test_a_bucket_that_may_only_be_read_names_what_to_grant_and_serves_on(
    read_only: Registry, trained: ModelSource, tmp_path: Path
) -> None:
    with pytest.raises(StoreRefused, match=r"AccessDenied.*Grant s3:PutObject on arn:aws:s3:::read-only-"):
        read_only.publish("iris", trained)
    with pytest.raises(StoreRefused, match=r"AccessDenied.*Grant s3:PutObject"):
        read_only.references("iris").delete(1)
    read_only.download_model(read_only.verify("iris"), tmp_path / "down")
    assert contents(tmp_path / "down") == {"old": b"old"}
