"""Rules as values: each is told in the documentation, and every number of Hopsworks' is accounted for."""

import re
from pathlib import Path

import pytest

from moorage.abilities import Abilities
from moorage.deployment import DeploymentSpec
from moorage.deployment_schema import as_tables
from moorage.rules import RULES, tables, violations
from moorage.serving.catalog import abilities
from tests.rules.sound import JUST_PASS
from tests.test_rules import EVERY_BREACH

DOCS = Path(__file__).parents[1] / "docs"
TOLD = (DOCS / "rules.md").read_text()


def test_there_is_a_sentence_on_each_option():
    told = re.findall(r"^\| `(\w+)`.*\| (.*) \|$", as_tables(), re.MULTILINE)
    assert len(told) > 50
    assert [name for name, said in told if not said] == []


def test_the_tables_follow_the_abilities():
    nobody = {tool: Abilities(frozenset()) for tool in abilities()}
    assert "not served" in tables.model_servers(nobody)
    assert "needed" not in tables.model_servers(nobody)
    assert "yes" not in tables.serving_tools(nobody)


def test_each_of_the_45_rules_is_looked_at_or_held_elsewhere():
    elsewhere = TOLD.partition("Held in another place")[2]
    looked_at = {number for each in RULES for number in each.numbers if number.isdecimal()}
    held = set(re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", elsewhere, re.MULTILINE))))
    assert looked_at | held == {str(number) for number in range(1, 46)}
    assert not looked_at & held


def test_a_rule_ties_options_that_there_are():
    assert {option for each in RULES for option in each.options} <= DeploymentSpec.model_fields.keys()


NUMBERS = sorted({number for each in RULES for number in each.numbers})


@pytest.mark.parametrize("number", NUMBERS)
def test_each_rule_is_broken_alone_by_one_specification_and_just_passed_by_another(number):
    breaches = [each for name, each in EVERY_BREACH.items() if name.partition(" ")[0] == number]
    alone = [found for spec, known in breaches if len(found := {each.rule for each in violations(spec, known)}) == 1]
    assert alone
    assert [name for name in JUST_PASS if name.partition(" ")[0] == number]


@pytest.mark.parametrize(("spec", "known"), EVERY_BREACH.values(), ids=EVERY_BREACH.keys())
def test_what_breaks_a_rule_bears_its_number_and_blames_one_of_its_options(spec, known):
    for found in violations(spec, known):
        first, _, last = found.rule.partition("-")
        numbers = {str(number) for number in range(int(first), int(last) + 1)} if last else {found.rule}
        option = re.split(r"[.\[]", found.field)[0]
        assert any(numbers <= set(each.numbers) and option in each.options for each in RULES), found
