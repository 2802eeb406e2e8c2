"""From environment variables to settings."""

from pathlib import Path

import platformdirs
import pytest
from pydantic import ValidationError

from moorage.errors import InvalidName
from moorage.settings import Settings


def test_without_variables_everything_lies_in_the_users_data_folder():
    settings = Settings.from_env({})
    assert settings.home == Path(platformdirs.user_data_dir("moorage", appauthor=False))
    assert settings.store_url == (settings.home / "store").as_uri()
    assert settings.project == "default"


def test_each_field_is_read_from_its_variable():
    settings = Settings.from_env(
        {"MOORAGE_HOME": "/srv/m", "MOORAGE_STORE": "file:///srv/models", "MOORAGE_PROJECT": "team_a"}
    )
    assert settings == Settings(home=Path("/srv/m"), store="file:///srv/models", project="team_a")
    assert settings.store_url == "file:///srv/models"


def test_an_empty_variable_means_the_default():
    assert Settings.from_env({"MOORAGE_HOME": "", "MOORAGE_STORE": "", "MOORAGE_PROJECT": ""}) == Settings.from_env({})


def test_variables_of_others_are_not_looked_at():
    assert Settings.from_env({"MOORAGEHOME": "/x", "HOME_MOORAGE_": "/x", "moorage_home": "/x"}) == Settings()


def test_an_override_wins_over_the_environment():
    assert Settings.from_env({"MOORAGE_PROJECT": "theirs"}, project="ours").project == "ours"


def test_an_override_that_is_none_leaves_the_environment_alone():
    assert Settings.from_env({"MOORAGE_PROJECT": "theirs"}, project=None).project == "theirs"


def test_a_misspelt_variable_is_named_with_the_ones_there_are():
    with pytest.raises(
        InvalidName, match=r"^MOORAGE_HOEM is not known\. Settings are MOORAGE_HOME, MOORAGE_STORE, MOORAGE_PROJECT"
    ):
        Settings.from_env({"MOORAGE_HOEM": "/srv/m"})


@pytest.mark.parametrize("name", ["MOORAGE_REVISION_FILE", "MOORAGE_REPORT_FILE", "MOORAGE_LISTEN_FD"])
def test_what_backends_write_for_the_runtime_is_no_mistake(name):
    assert Settings.from_env({name: "3"}) == Settings.from_env({})


def test_a_project_that_cannot_be_a_prefix_is_refused():
    with pytest.raises(InvalidName, match=r"Project name 'team/a' is not allowed.*'teama'"):
        Settings.from_env({"MOORAGE_PROJECT": "team/a"})


def test_a_tilde_is_the_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings.from_env({"MOORAGE_HOME": "~/moorage"}).home == Path("/home/ada/moorage")


def test_the_home_of_a_user_that_there_is_not_is_refused():
    with pytest.raises(InvalidName, match=r"MOORAGE_HOME is not usable: .*[^.]\. Settings"):
        Settings.from_env({"MOORAGE_HOME": "~nobodyisnamedso/moorage"})


def test_a_relative_home_counts_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({"MOORAGE_HOME": "here"}).home == tmp_path / "here"


def test_the_store_url_holds_a_home_with_spaces():
    assert Settings(home=Path("/srv/my models")).store_url == "file:///srv/my%20models/store"


def test_the_cache_lies_in_the_home_and_holds_20_gb_unless_told_otherwise():
    settings = Settings.from_env({"MOORAGE_HOME": "/srv/m"})
    assert (settings.cache_folder, settings.cache_bytes) == (Path("/srv/m/cache"), 20_000_000_000)
    settings = Settings.from_env({"MOORAGE_CACHE": "/fast/models", "MOORAGE_CACHE_GB": "0.5"})
    assert (settings.cache_folder, settings.cache_bytes) == (Path("/fast/models"), 500_000_000)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "20 GB"])
def test_a_bound_of_the_cache_that_is_none_is_refused(value):
    with pytest.raises(InvalidName, match=r"MOORAGE_CACHE_GB is not usable: .*\. Settings are .*MOORAGE_CACHE_GB"):
        Settings.from_env({"MOORAGE_CACHE_GB": value})


def test_the_cache_of_a_user_that_there_is_not_is_refused():
    with pytest.raises(InvalidName, match="MOORAGE_CACHE is not usable"):
        Settings.from_env({"MOORAGE_CACHE": "~nobodyisnamedso/cache"})


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().project = "other"  # type: ignore[misc]
