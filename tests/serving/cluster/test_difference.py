"""Two states of an object in, lines for people out."""

import copy

import pytest

from moorage.serving.cluster.difference import differences
from moorage.serving.cluster.strategy import BESIDE
from moorage.serving.kubernetes.manifest import deployment
from tests.serving.cluster.place import PLACE, a_cluster_revision


def a_deployment(number=1, **changes):
    return deployment(a_cluster_revision(number, **changes), PLACE, BESIDE, running=True)


def an_object(**parts):
    return {"kind": "Deployment", "metadata": {"name": "iris"}} | parts


def test_what_was_not_there_is_new():
    assert differences(None, a_deployment()) == ["Deployment iris: new"]


def test_two_that_are_equal_differ_in_nothing():
    assert differences(a_deployment(), a_deployment()) == []


NOISE = {
    "managed fields": {"managedFields": [{"manager": "moorage"}]},
    "the version of the object": {"resourceVersion": "7"},
    "the generation": {"generation": 3},
    "the identity": {"uid": "0f8e"},
    "the time": {"creationTimestamp": "2025-03-09T08:07:06Z"},
    "the path of the object": {"selfLink": "/apis/apps/v1/namespaces/team/deployments/iris"},
    "the deployment controller's count": {"annotations": {"deployment.kubernetes.io/revision": "4"}},
    "annotations that are null": {"annotations": None},
}


@pytest.mark.parametrize("metadata", NOISE.values(), ids=NOISE.keys())
def test_what_the_cluster_keeps_for_itself_is_no_difference(metadata):
    noisy = an_object(metadata={"name": "iris"} | metadata)
    assert differences(noisy, an_object()) == []
    assert differences(an_object(), noisy) == []


def test_annotations_of_ours_and_of_others_are_a_difference():
    before = an_object(metadata={"name": "iris", "annotations": {"a": "1", "deployment.kubernetes.io/revision": "4"}})
    after = an_object(metadata={"name": "iris", "annotations": {"a": "2"}})
    assert differences(before, after) == ['Deployment iris: metadata.annotations.a: "1" → "2"']


def test_a_status_is_no_difference():
    assert differences(an_object(status={"replicas": 1}), an_object(status={"replicas": 2})) == []


def test_what_differs_below_a_word_of_noise_shows():
    before, after = an_object(spec={"status": "a"}), an_object(spec={"status": "b"})
    assert differences(before, after) == ['Deployment iris: spec.status: "a" → "b"']


LINES = {
    "a value": ({"replicas": 1}, {"replicas": 2}, ["spec.replicas: 1 → 2"]),
    "a value that comes": ({}, {"replicas": 2}, ["spec.replicas: nothing → 2"]),
    "a value that goes": ({"replicas": 2}, {}, ["spec.replicas: 2 → nothing"]),
    "another kind of value": ({"a": {"b": 1}}, {"a": 2}, ['spec.a: {"b": 1} → 2']),
    "fields in the order of their names": ({"b": 1, "a": 1}, {"a": 2, "b": 2}, ["spec.a: 1 → 2", "spec.b: 1 → 2"]),
    "what is missing and what is null": ({"a": None}, {}, []),
    "a named item": (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        ['spec.env[B].value: "1" → "2"'],
    ),
    "named items in another order": (
        {"env": [{"name": "A"}, {"name": "B"}]},
        {"env": [{"name": "B"}, {"name": "A"}]},
        [],
    ),
    "a named item that comes": ({"env": []}, {"env": [{"name": "A"}]}, ['spec.env[A]: nothing → {"name": "A"}']),
    "a named item that goes": ({"env": [{"name": "A"}]}, {"env": []}, ['spec.env[A]: {"name": "A"} → nothing']),
    "items without names": ({"args": ["a"]}, {"args": ["a", "b"]}, ['spec.args: ["a"] → ["a", "b"]']),
    "items that are things without names": (
        {"tolerations": [{"key": "gpu"}]},
        {"tolerations": [{"key": "ml"}]},
        ['spec.tolerations: [{"key": "gpu"}] → [{"key": "ml"}]'],
    ),
    "letters of all languages": ({"a": "Grüße"}, {"a": "→"}, ['spec.a: "Grüße" → "→"']),
}


@pytest.mark.parametrize(("before", "after", "lines"), LINES.values(), ids=LINES.keys())
def test_each_field_that_differs_is_a_line(before, after, lines):
    found = differences(an_object(spec=before), an_object(spec=after))
    assert found == [f"Deployment iris: {line}" for line in lines]


# letters -> as shown, with the quotes
LONG = {"just fits": (118, '"' + "x" * 118 + '"'), "one too many": (119, '"' + "x" * 118 + "…")}


@pytest.mark.parametrize(("letters", "shown"), LONG.values(), ids=LONG.keys())
def test_a_long_value_is_cut(letters, shown):
    (line,) = differences(an_object(spec={"a": "x" * letters}), an_object(spec={"a": "y"}))
    assert line == f'Deployment iris: spec.a: {shown} → "y"'


def test_the_text_of_the_revision_is_left_out_and_what_it_means_is_not():
    lines = differences(a_deployment(1), a_deployment(2, env_vars=[{"name": "THREADS", "value": "4"}]))
    assert not [line for line in lines if "MOORAGE_REVISION" in line]
    assert 'Deployment iris: spec.template.metadata.labels.moorage.dev/revision: "1" → "2"' in lines
    assert (
        "Deployment iris: spec.template.spec.containers[predictor].env[THREADS]:"
        ' nothing → {"name": "THREADS", "value": "4"}'
    ) in lines


def test_what_a_webhook_added_to_one_container_shows_there():
    after = copy.deepcopy(a_deployment())
    after["spec"]["template"]["spec"]["containers"].append({"name": "agent", "image": "agent:1"})
    assert differences(a_deployment(), after) == [
        'Deployment iris: spec.template.spec.containers[agent]: nothing → {"name": "agent", "image": "agent:1"}'
    ]


def test_nothing_that_is_compared_is_changed():
    before, after = a_deployment(1), a_deployment(2)
    differences(before, after)
    assert (before, after) == (a_deployment(1), a_deployment(2))
