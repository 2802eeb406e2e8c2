"""Which names pass, and what those that do not are told."""

import pytest

from moorage.errors import InvalidName
from moorage.names import check_alias, check_deployment_name, check_model_name, check_project_name, is_deployment_name

CHECKS = {"model": check_model_name, "deployment": check_deployment_name, "project": check_project_name}

ALLOWED = {
    "letters": ("deployment", "iris"),
    "capitals and digits": ("deployment", "Iris2"),
    "longest deployment name": ("deployment", "a" * 63),
    "underscores in a model": ("model", "iris_classifier_2"),
    "a model may start with '_'": ("model", "_x"),
    "longest model name": ("model", "a" * 255),
    "underscores in a project": ("project", "team_a"),
    "longest project name": ("project", "a" * 63),
}

REFUSED = {
    "empty": ("deployment", ""),
    "trailing newline": ("deployment", "iris\n"),
    "underscore in a deployment": ("deployment", "iris_classifier"),
    "hyphen": ("deployment", "iris-1"),
    "letters that are not ASCII": ("deployment", "größe"),
    "digits that are not ASCII": ("deployment", "iris٣"),
    "too long for a DNS label": ("deployment", "a" * 64),
    "model with a trailing newline": ("model", "iris\n"),
    "model with a folder in its name": ("model", "a/b"),
    "model that leaves its folder": ("model", ".."),
    "model too long for a file name": ("model", "a" * 256),
    "empty model": ("model", ""),
    "project with a space": ("project", "team a"),
    "project with a NUL": ("project", "a\0"),
    "project too long": ("project", "a" * 64),
}

SUGGESTIONS = {
    "underscores removed": ("deployment", "iris_classifier", "'irisclassifier'"),
    "newline removed": ("deployment", "iris\n", "'iris'"),
    "cut to what is allowed": ("deployment", "a" * 64, f"'{'a' * 63}'"),
    "underscores kept in a model": ("model", "iris_v-2", "'iris_v2'"),
    "underscores kept in a project": ("project", "team_a b", "'team_ab'"),
}


@pytest.mark.parametrize(("kind", "name"), ALLOWED.values(), ids=ALLOWED.keys())
def test_an_allowed_name_is_returned_as_it_is(kind, name):
    assert CHECKS[kind](name) == name


@pytest.mark.parametrize(("kind", "name"), REFUSED.values(), ids=REFUSED.keys())
def test_a_name_that_is_not_allowed_is_told_what_is(kind, name):
    with pytest.raises(InvalidName, match=rf"^{kind.title()} name .* is not allowed.*It takes 1 to \d+ characters"):
        CHECKS[kind](name)


@pytest.mark.parametrize(("kind", "name", "suggestion"), SUGGESTIONS.values(), ids=SUGGESTIONS.keys())
def test_the_message_suggests_a_name_that_would_do(kind, name, suggestion):
    with pytest.raises(InvalidName, match=f"Call it {suggestion}, for example"):
        CHECKS[kind](name)
    assert CHECKS[kind](suggestion.strip("'"))


def test_nothing_is_suggested_where_nothing_is_left():
    with pytest.raises(InvalidName) as refused:
        check_deployment_name("---")
    assert refused.value.mend == ""


def test_a_long_name_is_cut_in_the_message():
    with pytest.raises(InvalidName) as refused:
        check_model_name("x" * 100_000)
    assert len(str(refused.value)) < 1_000


def test_a_name_can_be_asked_about_without_being_refused():
    assert [is_deployment_name(name) for name in ("iris", "iris_2", "iris\n", "a" * 64)] == [True, False, False, False]


@pytest.mark.parametrize("alias", ["champion", "v1.2", "a", "2024-01", "-", "..", "x" * 255])
def test_these_aliases_are_allowed(alias):
    assert check_alias(alias) == alias


@pytest.mark.parametrize("alias", ["", "7", "-7", "latest", "Latest", "a b", "a/b", "ü", "a\n", "x" * 256])
def test_these_aliases_are_not(alias):
    with pytest.raises(InvalidName, match=r"is not allowed: it .*Call it 'champion'"):
        check_alias(alias)
