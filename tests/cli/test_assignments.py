import pytest

from moorage.cli.assignments import parse_aliases, parse_metrics, parse_tag_changes, parse_tags
from moorage.errors import CallerError


def test_metrics_are_given_in_one_text_or_in_several():
    assert parse_metrics(["accuracy=0.97, f1=0.9", "loss=1e-3"]) == {"accuracy": "0.97", "f1": "0.9", "loss": "1e-3"}


def test_a_dash_takes_an_alias_away():
    assert parse_aliases(["champion=3", "challenger=-"]) == {"champion": "3", "challenger": None}


VALUES = {
    "approved=true": True,
    "score=0.5": 0.5,
    "owner=ada": "ada",
    "digits='7'": "'7'",
    'text="7"': "7",
    "formula=a=b": "a=b",
    "nan=NaN": "NaN",
    'list=[1, "a"]': [1, "a"],
}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=VALUES.keys())
def test_a_tag_is_json_where_it_is_json_and_else_text(text, value):
    assert list(parse_tags([text]).values()) == [value]


def test_a_dash_takes_a_tag_off_and_a_dash_in_quotes_is_its_value():
    assert parse_tag_changes(["owner=-", 'sign="-"']) == ({"sign": "-"}, ["owner"])


@pytest.mark.parametrize("text", ["champion", "=3", "champion=", "", " = "])
def test_what_is_no_assignment_is_told_with_an_example(text):
    with pytest.raises(CallerError, match=r"name=value was expected. As in champion=3 challenger=-"):
        parse_aliases([text])


def test_a_name_that_is_given_twice_is_refused():
    with pytest.raises(CallerError, match="'champion' is given twice"):
        parse_aliases(["champion=3", "champion=-"])
