"""The cache of model files: one fetch for all who want them, whole whoever is killed, and never more than its bound."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from moorage.errors import IntegrityError, StoreRefused
from moorage.predictor import ModelSource
from moorage.registry.cache import ModelCache
from moorage.registry.file_locks import EXCLUSIVE, release, take, take_at_once
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.settings import Settings
from moorage.site import Site
from moorage.store.directory import DirectoryStore
from tests.waiting import until

MakeSource = Callable[..., ModelSource]
FILES = {"a": "x" * 300, "sub/b": "y" * 200, "sub/deep/empty": ""}
MODEL_BYTES = 500
BOUND = 1200  # room for two models

# Uses the versions it is given in turn, in processes of their own so that it keeps none, and tells which were fetched.
USER = """
import os, sys
from pathlib import Path
from moorage.registry.cache import ModelCache
from moorage.registry.registry import Registry
from moorage.store import open_store
cache = ModelCache(Path(sys.argv[2]), int(sys.argv[3]))
registry = Registry(open_store(sys.argv[1]), "demo")
for version in map(int, sys.argv[4:]):
    model = registry.get("iris", version)
    def fetch(folder):
        print(version, flush=True)
        registry.download_model(model, folder)
    if not (child := os.fork()):
        cache.folder(model, fetch)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""

# Children that want versions at random, each dying at a step of its own unless it is done before. Whoever is given a
# folder reads all of it.
CROWD = """
import os, random, signal, sys
from pathlib import Path
from moorage.registry.cache import ModelCache
from moorage.registry.download import holds
from moorage.registry.registry import Registry
from moorage.store import open_store
url, root, bound, versions, children, seed = sys.argv[1:]
choose = random.Random(int(seed))
registry = Registry(open_store(url), "demo", cache=ModelCache(Path(root), int(bound)))
models = [registry.get("iris", version) for version in range(1, int(versions) + 1)]
for _ in range(int(children)):
    model, left = choose.choice(models), choose.choice([10**6, 10**6, choose.randrange(150)])
    if not (child := os.fork()):
        def step(*_):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(step)
        folder = registry.cached(model)
        left = 10**6
        os._exit(0 if holds(folder, model.files) else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

# The same version wanted again and again, by a child that dies one step later each time, until one gets through.
STUMBLER = """
import os, signal, sys
from pathlib import Path
from moorage.registry.cache import ModelCache
from moorage.registry.registry import Registry
from moorage.store import open_store
store, root, bound = open_store(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
registry = Registry(store, "demo", cache=ModelCache(root, bound))
first, second = registry.get("iris", 1), registry.get("iris", 2)
def dies_at(number, model):
    left = number
    def step(*_):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    if not (child := os.fork()):
        if number:
            sys.addaudithook(step)
        registry.cached(model)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0
number = 1
while dies_at(number, first):
    assert not dies_at(0, first) and not dies_at(0, second)
    number += 1
print(number)
"""


# Dies with half of version 1 fetched.
KILLED = """
import os, signal, sys
from pathlib import Path
from moorage.registry.cache import ModelCache
from moorage.registry.registry import Registry
from moorage.store import open_store
def fetch(folder):
    folder.mkdir()
    (folder / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
ModelCache(Path(sys.argv[2]), int(sys.argv[3])).folder(Registry(open_store(sys.argv[1]), "demo").get("iris", 1), fetch)
"""


class CountingStore(DirectoryStore):
    """Counts what is read below Files/."""

    reads = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads += "/Files/" in key
        return super().get(key, start=start, length=length)


@pytest.fixture
def store(root: Path) -> CountingStore:
    return CountingStore(root)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "here" / "cache"


@pytest.fixture
def cached(store: CountingStore, place: Path) -> Registry:
    return Registry(store, "demo", cache=ModelCache(place, BOUND))


@pytest.fixture
def models(registry: Registry, make_source: MakeSource) -> list[ModelVersion]:
    """Five versions of 500 bytes each."""
    return [registry.publish("iris", make_source({**FILES, "a": letter * 300})).model for letter in "12345"]


@pytest.fixture
def model(models: list[ModelVersion]) -> ModelVersion:
    return models[0]


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def kept(place: Path, models: list[ModelVersion]) -> list[int]:
    """Which versions the cache holds, and that it holds nothing else."""
    digests = {model.digest.removeprefix("sha256:"): model.version for model in models}
    files = [path for path in place.rglob("*") if path.is_file() and path.parent.name != "locks"]
    found = {path.relative_to(place / "sha256").parts[0] for path in files if "sha256" in path.parts}
    assert {path.stem for path in files if "sha256" not in path.parts} == found
    assert os.listdir(place / "filling") == os.listdir(place / "removed") == []
    return sorted(digests[digest] for digest in found)


def use(store: DirectoryStore, place: Path, *versions: int, bound: int = BOUND) -> list[int]:
    """Uses the versions in processes that end, and returns which were fetched."""
    command = [sys.executable, "-c", USER, store.url, str(place), str(bound), *map(str, versions)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    return [int(line) for line in told.split()]


def test_a_cached_folder_is_what_training_saved_and_cannot_be_written_to(
    cached: Registry, model: ModelVersion, place: Path
) -> None:
    folder = cached.cached(model)
    assert contents(folder) == {**FILES, "a": "1" * 300}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "sub", folder / "sub" / "deep")}
    assert (modes, folders, stat.S_IMODE(place.stat().st_mode)) == ({0o444}, {0o555}, 0o700)
    assert folder == place / "sha256" / model.digest.removeprefix("sha256:")


def test_what_is_cached_is_not_read_from_the_store_again(
    cached: Registry, store: CountingStore, model: ModelVersion, place: Path
) -> None:
    folder = cached.cached(model)
    store.reads = 0
    assert (cached.cached(model), store.reads) == (folder, 0)
    assert use(store, place, 1, 1) == []


def test_the_same_files_under_another_name_are_the_same_folder(
    cached: Registry, store: CountingStore, make_source: MakeSource
) -> None:
    folders = {cached.cached(cached.publish(name, make_source(FILES)).model) for name in ("one", "two")}
    assert (len(folders), store.reads) == (1, 3)


def change(folder: Path) -> None:
    (folder / "a").chmod(0o600)
    (folder / "a").write_text("2" * 300)


def add(folder: Path) -> None:
    (folder / "more").write_text("")


def remove(folder: Path) -> None:
    (folder / "sub" / "b").unlink()


def link(folder: Path) -> None:
    (folder / "sub" / "b").unlink()
    (folder / "sub" / "b").symlink_to("/dev/null")


def replace(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


def forget(folder: Path) -> None:
    (folder.parents[1] / "records" / f"{folder.name}.json").write_text("{")


@pytest.mark.parametrize("spoil", [change, add, remove, link, replace, shutil.rmtree, forget])
def test_a_folder_that_was_spoiled_is_fetched_anew_even_while_it_is_in_use(
    cached: Registry, model: ModelVersion, spoil: Callable[[Path], None]
) -> None:
    folder = cached.cached(model)
    folder.chmod(0o700)
    spoil(folder)
    assert cached.cached(model) == folder
    assert contents(folder) == {**FILES, "a": "1" * 300}
    assert not folder.is_symlink()


def test_removing_a_link_that_somebody_laid_there_leaves_what_it_points_to(
    cached: Registry, model: ModelVersion, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    (tmp_path / "mine" / "file").write_text("mine")
    folder = cached.cached(model)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "mine")
    cached.cached(model)
    assert contents(tmp_path / "mine") == {"file": "mine"}
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_a_file_of_somebody_else_is_not_trusted(cached: Registry, store: CountingStore, model: ModelVersion) -> None:
    folder = cached.cached(model)
    store.reads = 0
    os.chown(folder / "a", 12345, -1)
    assert ((cached.cached(model) / "a").stat().st_uid, store.reads) == (0, 3)


def test_the_least_recently_used_goes_first(store: CountingStore, place: Path, models: list[ModelVersion]) -> None:
    assert use(store, place, 1, 2, 1, 3) == [1, 2, 3]
    assert kept(place, models) == [1, 3]
    assert use(store, place, 3, 1, 4) == [4]
    assert kept(place, models) == [1, 4]


def test_what_this_process_uses_stays_beyond_the_bound(
    cached: Registry, store: CountingStore, place: Path, models: list[ModelVersion]
) -> None:
    folder = cached.cached(models[0])
    assert use(store, place, 2, 3, 4) == [2, 3, 4]
    assert contents(folder) == {**FILES, "a": "1" * 300}
    assert kept(place, models) == [1, 4]


def test_a_model_larger_than_the_bound_is_served_and_goes_next(
    store: CountingStore, place: Path, models: list[ModelVersion]
) -> None:
    assert use(store, place, 1, bound=2000) == [1]
    assert use(store, place, 2, 2, bound=MODEL_BYTES - 1) == [2]
    assert kept(place, models) == [2]
    assert use(store, place, 3, bound=MODEL_BYTES) == [3]
    assert kept(place, models) == [3]


def test_a_fetch_that_fails_leaves_nothing_and_the_next_one_fetches(
    cached: Registry, root: Path, place: Path, models: list[ModelVersion]
) -> None:
    (lost,) = root.rglob("Models/iris/1/Files/sub/b")
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(IntegrityError, match="sub/b' is missing"):
        cached.cached(models[0])
    assert kept(place, models) == []
    lost.write_bytes(content)
    assert contents(cached.cached(models[0])) == {**FILES, "a": "1" * 300}


def test_a_fetch_that_gives_other_files_is_refused(model: ModelVersion, place: Path) -> None:
    with pytest.raises(IntegrityError, match="does not hold what was fetched"):
        ModelCache(place, BOUND).folder(model, lambda folder: folder.mkdir())


def test_threads_that_want_one_model_fetch_it_once(cached: Registry, store: CountingStore, model: ModelVersion) -> None:
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(cached.cached(model))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(folders), len(set(folders)), store.reads) == (8, 1, 3)


def test_eight_processes_that_want_one_model_fetch_it_once(
    store: CountingStore, place: Path, model: ModelVersion
) -> None:
    command = [sys.executable, "-c", USER, store.url, str(place), str(BOUND), "1"]
    users = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    told = [user.communicate(timeout=60)[0] for user in users]
    assert ("".join(told), [user.returncode for user in users]) == ("1\n", [0] * 8)


def test_whoever_is_killed_at_any_step_is_made_up_for_by_the_next(
    store: CountingStore, place: Path, models: list[ModelVersion]
) -> None:
    # Room for one, so that each step of an eviction is one to die at too.
    command = [sys.executable, "-c", STUMBLER, store.url, str(place), str(MODEL_BYTES)]
    steps = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout
    assert int(steps) > 50
    assert kept(place, models) == [1]


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_killed_fetch_left_is_swept_by_whoever_fetches_next(
    store: CountingStore, place: Path, models: list[ModelVersion], version: int
) -> None:
    command = [sys.executable, "-c", KILLED, store.url, str(place), str(BOUND)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    assert len(os.listdir(place / "filling")) == 1
    assert use(store, place, version) == [version]
    assert kept(place, models) == [version]


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who waits for a lock")
def test_who_waited_for_a_lock_whose_file_was_removed_has_the_lock_on_the_new_file(tmp_path: Path) -> None:
    path, found = tmp_path / "lock", []
    held = take(path, EXCLUSIVE)
    waiter = re.compile(rf"-> FLOCK .*:{path.stat().st_ino} ")
    thread = threading.Thread(target=lambda: found.append(take(path, EXCLUSIVE)))
    thread.start()
    until(lambda: waiter.search(Path("/proc/locks").read_text()), what="waiting for the lock")
    path.unlink()
    release(held)
    thread.join()
    assert take_at_once(path, EXCLUSIVE) is None
    release(found[0])
    release(take(path, EXCLUSIVE))


def test_of_eight_processes_whose_children_are_killed_nobody_gets_a_torn_folder(
    store: CountingStore, place: Path, models: list[ModelVersion]
) -> None:
    command = [sys.executable, "-c", CROWD, store.url, str(place), str(BOUND), "4", "30"]
    crowds = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(8)]
    told = [int(line) for crowd in crowds for line in crowd.communicate(timeout=120)[0].split()]
    assert (len(told), set(told)) == (240, {0, -9})
    # Who was killed before it evicted is made up for by the next that fetches.
    assert use(store, place, 5) == [5]
    assert len(kept(place, models)) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives folders away")
def test_a_cache_of_somebody_else_is_refused(cached: Registry, model: ModelVersion, place: Path) -> None:
    place.mkdir(parents=True)
    os.chown(place, 12345, -1)
    with pytest.raises(StoreRefused, match=f"{place} belongs to user 12345.*set MOORAGE_CACHE"):
        cached.cached(model)
    assert os.listdir(place) == []


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_cache_that_others_may_write_to_is_refused(
    cached: Registry, model: ModelVersion, place: Path, mode: int
) -> None:
    place.mkdir(parents=True)
    place.chmod(mode)
    with pytest.raises(StoreRefused, match=rf"may be written to by others \(mode 0{mode:o}\).*chmod 700"):
        cached.cached(model)
    assert os.listdir(place) == []


def test_a_file_where_the_cache_should_be_is_refused(cached: Registry, model: ModelVersion, place: Path) -> None:
    place.parent.mkdir()
    place.write_text("")
    with pytest.raises(StoreRefused, match=r"was not cached: .*A folder was expected"):
        cached.cached(model)


@pytest.fixture
def small_disk(place: Path) -> Path:
    place.mkdir(parents=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount file systems can fill one")
    return place


def test_a_full_disk_is_told_and_nothing_is_left_half_done(
    cached: Registry, models: list[ModelVersion], make_source: MakeSource, small_disk: Path
) -> None:
    try:
        large = cached.publish("iris", make_source({"a": "x" * 100_000})).model
        with pytest.raises(StoreRefused, match=rf"disk full.*MB are free at {small_disk}"):
            cached.cached(large)
        assert kept(small_disk, models) == []
        assert contents(cached.cached(models[0])) == {**FILES, "a": "1" * 300}
    finally:
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)


def test_a_read_only_disk_is_told(cached: Registry, model: ModelVersion, small_disk: Path) -> None:
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(StoreRefused, match=r"was not cached: .* is mounted read-only"):
            cached.cached(model)
    finally:
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)


def test_a_site_caches_in_its_home_unless_the_bound_is_nothing(tmp_path: Path, make_source: MakeSource) -> None:
    source = make_source(FILES)
    for cache_gb, is_cached in ((20, True), (0, False)):
        registry = Site(Settings(home=tmp_path / "home", cache_gb=cache_gb), "ann").registry
        folder = registry.cached(registry.publish("iris", source).model)
        assert (contents(folder), folder.is_relative_to(tmp_path / "home" / "cache")) == (FILES, is_cached)


def test_without_a_cache_the_folder_is_gone_when_its_process_ends(store: CountingStore, model: ModelVersion) -> None:
    code = (
        "import os, sys; from moorage.registry.registry import Registry; from moorage.store import open_store;"
        "registry = Registry(open_store(sys.argv[1]), 'demo'); folder = registry.cached(registry.get('iris', 1));"
        "child = os.fork(); child or sys.exit(); os.waitpid(child, 0);"
        "print(folder, *sorted(os.listdir(folder)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, store.url], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout
    folder, *names = told.split()
    assert (names, Path(folder).parent.exists()) == (["a", "sub"], False)
