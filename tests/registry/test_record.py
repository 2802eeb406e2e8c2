from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import IntegrityError
from moorage.predictor import Framework, Lineage
from moorage.registry.record import Claim, FileEntry, ManifestState, ModelVersion, tree_digest

FILES = (FileEntry("a.txt", 3, "0" * 64), FileEntry("b/c.txt", 4, "1" * 64))
MODEL = ModelVersion(
    project="demo",
    name="iris",
    version=3,
    framework=Framework.SKLEARN,
    digest=tree_digest(FILES),
    files=FILES,
    metrics={"accuracy": 0.1 + 0.2},
    description="Flowers — three kinds",
    input_example=[[5.1, 3.5], None, {"a": True}],
    schema={"input_schema": {"columnar_schema": [{"type": "float"}]}},
    lineage=Lineage(flow_run="7", git_commit="abc", parent_version=2, training_data={"table": "flowers"}),
    attachments=(FileEntry("environment.txt", 3, "ab" * 32),),
    created_at="2025-03-09T08:07:06.000Z",
    created_by="ann",
    tags=("7", "8"),
)


def manifest(**changes: Any) -> dict[str, Any]:
    record = json.loads(json.dumps(MODEL.to_json()))
    assert isinstance(record, dict)
    return {**record, **changes}


def test_a_manifest_says_all_of_a_model_version() -> None:
    assert ModelVersion.from_json("key", manifest()) == MODEL
    assert MODEL.size == 7


def test_a_number_that_was_given_up_is_no_version() -> None:
    assert ModelVersion.from_json("key", {"state": ManifestState.ABORTED}) is None


def test_a_claim_says_who_took_the_number() -> None:
    claim = Claim(owner="ann", host="here", claimed_at="2025-03-09T08:07:06.000Z")
    assert Claim.from_json("key", json.loads(json.dumps(claim.to_json()))) == claim
    with pytest.raises(IntegrityError, match="'key' is not a record"):
        Claim.from_json("key", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "other"},
        {"framework": "COBOL"},
        {"tags": ["one too few"]},
        {"files": [{"path": "a"}]},
        {"files": 7},
        {"files": [{"path": "../../etc/passwd", "size": 1, "sha256": "0"}]},
        {"files": [{"path": "a", "size": 1, "sha256": "0"}] * 2},
    ],
    ids=["state", "framework", "tags", "file", "files", "path", "twice"],
)
def test_a_manifest_that_is_none_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="'key' is not a record that Moorage wrote"):
        ModelVersion.from_json("key", manifest(**changes))


def test_a_manifest_whose_files_were_changed_is_named_with_both_digests() -> None:
    files = [{"path": "a.txt", "size": 3, "sha256": "f" * 64}]
    found = tree_digest([FileEntry("a.txt", 3, "f" * 64)])
    with pytest.raises(IntegrityError, match=f"'key' was changed.*{found}.*{MODEL.digest}"):
        ModelVersion.from_json("key", manifest(files=files))


@given(st.permutations(FILES))
def test_the_digest_does_not_depend_on_the_order_of_files(files: list[FileEntry]) -> None:
    assert tree_digest(files) == MODEL.digest


@pytest.mark.parametrize("change", [{"path": "z"}, {"size": 4}, {"sha256": "2" * 64}])
def test_the_digest_changes_with_every_part_of_a_file(change: dict[str, Any]) -> None:
    assert tree_digest([replace(FILES[0], **change), FILES[1]]) != MODEL.digest
