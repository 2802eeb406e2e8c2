"""The key under which a deployment's reports are kept in Prefect."""

import pytest

from tasks.publish_report import artifact_key

KEYS = {
    "default project": ("default", "iris", "deploy-iris"),
    "another project": ("team", "iris", "deploy-team-iris"),
    "what Prefect does not take": ("Team_A", "irisV2", "deploy-team-a-irisv2"),
}


@pytest.mark.parametrize(("project", "deployment", "key"), KEYS.values(), ids=KEYS.keys())
def test_the_key_names_project_and_deployment(project, deployment, key):
    assert artifact_key(project, deployment) == key


def test_what_was_freed_has_a_key_of_its_own():
    assert artifact_key("team_a", "garbage", verb="collect") == "collect-team-a-garbage"
