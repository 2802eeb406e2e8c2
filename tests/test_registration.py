from __future__ import annotations

from pathlib import Path

import pytest

from moorage.errors import CallerError, NotFound
from moorage.predictor import ModelSource
from moorage.registration import lineage_of, locate, register, source_of
from moorage.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.from_env({"MOORAGE_HOME": str(tmp_path / "home")})


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    (tmp_path / "weights").write_text("1")
    return ModelSource(path=str(tmp_path / "weights"))


def test_a_model_is_published_tagged_and_given_its_aliases(site, source):
    assert register(site, "iris", source, tags={"owner": "ada"}, aliases=["champion", "newest"]).model.version == 1
    state = site.registry.references("iris").state()
    assert (state.tags, state.aliases) == ({1: {"owner": "ada"}}, {"champion": 1, "newest": 1})
    assert {entry.actor for entry in site.registry.references("iris").history()} == {site.actor}


def test_what_a_killed_registration_left_out_is_made_up_for(site, source):
    site.registry.publish("iris", source)
    assert register(site, "iris", source, tags={"owner": "ada"}).reused
    assert site.registry.references("iris").state().tags == {1: {"owner": "ada"}}


BAD = {
    "a name": ({"name": "ir-is"}, "Model name 'ir-is'"),
    "an alias": ({"aliases": ["latest"]}, "Alias 'latest'"),
    "a tag's value": ({"tags": {"owner": {1}}}, "value of tag 'owner' cannot be written as JSON"),
    "a tag without a name": ({"tags": {"": 1}}, "The tag has no name"),
}


@pytest.mark.parametrize(("said", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_not_allowed_is_refused_before_anything_is_written(site, source, said, message):
    with pytest.raises(CallerError, match=message):
        register(site, **{"name": "iris", "source": source} | said)
    assert list(site.store.list("")) == []


def test_a_model_is_looked_for_on_this_machine_first_and_then_in_the_store(site, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    site.registry.publish("iris", source)
    in_the_store = "Projects/default/Models/iris/1/Files"
    assert locate(site.store, source.path) == source.path
    assert locate(site.store, "weights") == source.path
    assert locate(site.store, in_the_store) == in_the_store
    assert locate(site.store, f"/{in_the_store}/weights") == f"{in_the_store}/weights"
    (tmp_path / in_the_store).mkdir(parents=True)
    assert locate(site.store, in_the_store) == str(tmp_path / in_the_store)


@pytest.mark.parametrize(
    "path", ["nowhere", "/nowhere", "Projects/default/Models/iris/9/Files", "~nobody0/x", "Registry"]
)
def test_a_model_that_is_nowhere_is_said_so(site, path):
    with pytest.raises(NotFound, match="neither on this machine nor in the store"):
        locate(site.store, path)


def test_all_that_does_not_fit_in_a_source_or_a_lineage_is_named():
    with pytest.raises(CallerError, match=r"path: .*; description: .*1000"):
        source_of(path="", description="x" * 1001)
    with pytest.raises(CallerError, match=r"parent_version: .*; commit: Extra"):
        lineage_of({"parent_version": 0, "commit": "abc"})
