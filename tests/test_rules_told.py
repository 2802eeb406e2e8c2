"""Rules as values: each is told in the documentation, and every number of Hopsworks' is accounted for."""

import re
from pathlib import Path
from typing import Any

import pytest

from moorage.deployment import DeploymentSpec
from moorage.rules import RULES, violations
from moorage.rules.facts import Facts
from moorage.rules.rule import as_table
from tests.test_rules import BROKEN, IN_A_CLUSTER, cluster_facts, facts
from tests.values import a_spec


def table_of(breaches: Any) -> list[tuple[str, tuple[dict[str, Any], dict[str, Any], str]]]:
    """Its lines, each with a specification of its own."""
    return [(name, (dict(spec), dict(known), said)) for name, (spec, known, said) in breaches.items()]


TOLD = (Path(__file__).parents[1] / "docs" / "rules.md").read_text()


def test_the_table_in_the_documentation_is_that_of_the_code():
    made = TOLD.partition("<!-- rules -->\n")[2].partition("<!-- /rules -->")[0]
    assert made == as_table(RULES) + "\n", f"write it anew:\n{as_table(RULES)}"


def test_each_of_the_45_rules_is_looked_at_held_elsewhere_or_named_as_missing():
    elsewhere, missing = TOLD.partition("Held in another place")[2].split("Of options")
    looked_at = {number for each in RULES for number in each.numbers if number.isdecimal()}
    held = set(re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", elsewhere, re.MULTILINE))))
    named = set(re.findall(r"\d+", missing))
    assert looked_at | held | named == {str(number) for number in range(1, 46)}
    assert not looked_at & held
    assert not (looked_at | held) & named


def test_a_rule_ties_options_that_there_are():
    assert {option for each in RULES for option in each.options} <= DeploymentSpec.model_fields.keys()


EVERY_BREACH: dict[str, tuple[DeploymentSpec, Facts]] = {
    **{name: (a_spec(**spec), facts(**known)) for name, (spec, known, _) in table_of(BROKEN)},
    **{
        name: (a_spec(serving_tool=spec.pop("serving_tool", "KSERVE"), **spec), cluster_facts(**known))
        for name, (spec, known, _) in table_of(IN_A_CLUSTER)
    },
}


@pytest.mark.parametrize(("spec", "known"), EVERY_BREACH.values(), ids=EVERY_BREACH.keys())
def test_what_breaks_a_rule_bears_its_number_and_blames_one_of_its_options(spec, known):
    for found in violations(spec, known):
        first, _, last = found.rule.partition("-")
        numbers = {str(number) for number in range(int(first), int(last) + 1)} if last else {found.rule}
        option = re.split(r"[.\[]", found.field)[0]
        assert any(numbers <= set(each.numbers) and option in each.options for each in RULES), found
