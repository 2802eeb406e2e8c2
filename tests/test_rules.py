"""Specifications and facts in, violations out."""

from typing import Any

import pytest

from moorage import rules
from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec
from moorage.rules.facts import Facts
from tests.rules.broken import BROKEN
from tests.rules.broken_in_a_cluster import IN_A_CLUSTER
from tests.rules.known import cluster_facts, facts
from tests.rules.sound import JUST_PASS, SOUND_IN_A_CLUSTER
from tests.values import a_spec


def test_a_sound_specification_breaks_no_rule():
    assert rules.violations(a_spec(), facts()) == []


@pytest.mark.parametrize(("spec", "known", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_says_what_was_found_and_expected(spec, known, message):
    found = rules.violations(a_spec(**spec), facts(**known))
    assert message in "\n".join(map(str, found))


def test_an_artifact_version_brings_its_script_along():
    assert rules.violations(a_spec(script_file=None, artifact_version=3), facts()) == []


def test_all_violations_are_reported_together():
    spec = a_spec(serving_tool="KSERVE", environment="mine", env_vars={"MODEL_NAME": "x"}, script_file="a.txt")
    with pytest.raises(InvalidSpec, match="breaks 4 rules") as error:
        rules.check(spec, facts())
    assert [violation.field for violation in error.value.violations] == [
        "serving_tool",
        "script_file",
        "environment",
        "env_vars",
    ]


@pytest.mark.parametrize(("spec", "known", "message"), IN_A_CLUSTER.values(), ids=IN_A_CLUSTER.keys())
def test_a_rule_of_clusters_says_what_was_found_and_expected(spec, known, message):
    found = rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(**known))
    assert message in "\n".join(map(str, found))


@pytest.mark.parametrize(("spec", "known"), JUST_PASS.values(), ids=JUST_PASS.keys())
def test_what_just_passes_a_rule_breaks_none(spec, known):
    assert rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(**known)) == []


def test_a_queue_is_chosen_or_filled_in():
    assert rules.violations(a_spec(serving_tool="KSERVE", queue="gpus"), cluster_facts(queues=("gpus",))) == []
    assert rules.violations(a_spec(serving_tool="KSERVE"), cluster_facts(queues=("default", "gpus"))) == []


@pytest.mark.parametrize("spec", SOUND_IN_A_CLUSTER.values(), ids=SOUND_IN_A_CLUSTER.keys())
def test_what_kserve_can_do_breaks_no_rule(spec):
    found = rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(model_files=("model.pkl",)))
    assert found == []


def table_of(breaches: Any) -> list[tuple[str, tuple[dict[str, Any], dict[str, Any], str]]]:
    """Its lines, each with a specification of its own."""
    return [(name, (dict(spec), dict(known), said)) for name, (spec, known, said) in breaches.items()]


EVERY_BREACH: dict[str, tuple[DeploymentSpec, Facts]] = {
    **{name: (a_spec(**spec), facts(**known)) for name, (spec, known, _) in table_of(BROKEN)},
    **{
        name: (a_spec(serving_tool=spec.pop("serving_tool", "KSERVE"), **spec), cluster_facts(**known))
        for name, (spec, known, _) in table_of(IN_A_CLUSTER)
    },
}
