"""Which deployments a change in the registry concerns, and the event told once more."""

import pytest

from moorage.errors import CallerError, NotFound
from moorage.following import announce_again, check_event, follows
from moorage.predictor import ModelSource
from moorage.settings import Settings
from moorage.site import Site
from tests.test_announcing import taking
from tests.values import a_spec

# what the specification follows, what happened -> whether it is concerned
FOLLOWS = {
    "the newest, a new version": ("latest", None, True),
    "the newest, an alias": ("latest", "champion", False),
    "an alias, just that": ("champion", "champion", True),
    "an alias, another": ("champion", "challenger", False),
    "an alias, a new version": ("champion", None, False),
    "a number, a new version": (1, None, False),
    "a number, an alias": (1, "champion", False),
}


@pytest.mark.parametrize(("version", "alias", "concerned"), FOLLOWS.values(), ids=FOLLOWS.keys())
def test_a_deployment_follows_what_its_file_says(version, alias, concerned):
    spec = a_spec(model={"name": "iris_classifier", "version": version})
    assert follows(spec, "iris_classifier", alias) is concerned
    assert not follows(spec, "another", alias)


@pytest.fixture
def site(tmp_path):
    """A site with one model version that has an alias; nobody takes events."""
    site = Site(Settings(home=tmp_path / "home"), "ada@lovelace")
    (tmp_path / "weights").write_text("1")
    site.registry.publish("iris", ModelSource(path=str(tmp_path / "weights")))
    site.registry.references("iris").move_aliases({"champion": 1})
    return site


def test_an_event_must_name_a_model_that_is_there(site):
    assert check_event(site, "iris", None) == "iris"
    assert check_event(site, "iris", 1) == "iris"
    with pytest.raises(CallerError, match="names no model"):
        check_event(site, "", 1)
    with pytest.raises(NotFound, match="has no version 2"):
        check_event(site, "iris", 2)


def test_what_is_told_again_says_the_same_under_an_id_of_its_own(site):
    with taking() as server:
        settings = site.settings.model_copy(update={"events": f"http://127.0.0.1:{server.server_port}/events"})
        telling = Site(settings, "ada@lovelace")
        for _ in range(2):
            announce_again(telling, "iris")
        announce_again(telling, "iris", alias="champion")
    first, second, third = server.taken
    assert first["payload"] == second["payload"]
    assert first["payload"]["version"] == 1
    assert third["payload"] == {"name": "iris", "alias": "champion", "version": 1, "project": "default"}
    assert len({event["id"] for event in server.taken}) == 3


def test_what_cannot_be_told_is_an_error(site):
    with pytest.raises(CallerError, match=r"Nobody is named who takes events\. .* PREFECT_API_URL"):
        announce_again(site, "iris")
    elsewhere = Site(site.settings.model_copy(update={"events": "http://127.0.0.1:9/events"}), "ada@lovelace")
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        announce_again(elsewhere, "nobody")
    with pytest.raises(NotFound, match="has no alias 'nobody'"):
        announce_again(elsewhere, "iris", alias="nobody")
