from __future__ import annotations

import pytest

from moorage.registry.keys import Keys

KEYS = Keys("demo")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEYS.claim("iris", 1), "Projects/demo/Registry/iris/v/9999999998-claim.json"),
        (KEYS.manifest("iris", 12), "Projects/demo/Registry/iris/v/9999999987-manifest.json"),
        (KEYS.checkpoint("iris", 12), "Projects/demo/Registry/iris/ckpt/9999999987.json.gz"),
        (KEYS.model_files("iris", 3), "Projects/demo/Models/iris/3/Files/"),
        (KEYS.artifact_log("iris", 3), "Projects/demo/Registry/iris/a/3/"),
        (KEYS.artifact_files("iris", 3, 2), "Projects/demo/Models/iris/3/Artifacts/2/"),
    ],
)
def test_everything_lies_where_the_layout_says(key: str, expected: str) -> None:
    assert key == expected


def test_model_and_number_are_read_back_from_a_key() -> None:
    for key in (KEYS.claim("iris", 42), KEYS.manifest("iris", 42)):
        assert (KEYS.model_of(key), KEYS.number_of(key, "iris")) == ("iris", 42)


def test_what_a_checkpoint_goes_up_to_is_read_back_from_its_key() -> None:
    assert KEYS.checkpointed(KEYS.checkpoint("iris", 42), "iris") == 42
    for stray in ("readme.txt", "9999999987.json", "x9999999987.json.gz"):
        assert KEYS.checkpointed(KEYS.checkpoints("iris") + stray, "iris") is None


def test_a_manifest_is_told_from_claims_and_from_a_model_of_odd_name() -> None:
    assert KEYS.is_manifest(KEYS.manifest("iris", 1))
    assert not KEYS.is_manifest(KEYS.claim("iris", 1))
    assert not KEYS.is_manifest(KEYS.artifact_log("v", 1) + "x-manifest.json")


def test_the_newest_version_sorts_first() -> None:
    assert KEYS.claim("iris", 10) < KEYS.claim("iris", 9) < KEYS.claim("iris", 1)
