"""An autoscaler that takes over finds as many replicas as there were."""

import pytest

from moorage.serving.cluster.replicas import carry_over

SCALED = {"kind": "Deployment", "spec": {"template": {}}}


def a_deployment(replicas=4, manager="moorage", operation="Apply", field="f:replicas"):
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {}}}}
    return {"kind": "Deployment", "metadata": {"managedFields": [entry]}, "spec": {"replicas": replicas}}


def test_a_number_that_is_still_ours_stays_until_the_autoscaler_sets_it():
    assert carry_over(SCALED, a_deployment())["spec"] == {"template": {}, "replicas": 4}


def test_what_was_stopped_starts_with_one():
    assert carry_over(SCALED, a_deployment(replicas=0))["spec"]["replicas"] == 1


OTHERS = {
    "the autoscaler's number": (SCALED, a_deployment(manager="kube-controller-manager", operation="Update")),
    "a number set by hand": (SCALED, a_deployment(operation="Update")),
    "no number of ours": (SCALED, a_deployment(field="f:template")),
    "nothing there yet": (SCALED, None),
    "a number that is given": ({"kind": "Deployment", "spec": {"replicas": 2}}, a_deployment()),
    "another kind": ({"kind": "Service", "spec": {}}, a_deployment()),
}


@pytest.mark.parametrize(("manifest", "found"), OTHERS.values(), ids=OTHERS.keys())
def test_what_is_not_ours_to_count_is_left_alone(manifest, found):
    assert carry_over(manifest, found) == manifest
