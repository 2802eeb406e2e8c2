"""Facts in, obstacles out."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from moorage.predictor import ServingTool
from moorage.serving.cluster.kinds import DEPLOYMENT, INFERENCE_SERVICE
from moorage.serving.cluster.podspec import pod_spec
from moorage.serving.cluster.preflight import LOOKED_AT, VERBS, PlaceFacts, obstacles
from moorage.serving.cluster.strategy import BESIDE, Room
from moorage.serving.kserve.shape import KServeShape
from moorage.serving.kubernetes.manifest import deployment
from moorage.serving.kubernetes.shape import KubernetesShape
from moorage.startup import Cause
from tests.serving.cluster.place import PLACE, a_cluster_revision

FACTS = PlaceFacts(
    namespace={"metadata": {"name": "team"}},
    namespace_known=True,
    tool_served=True,
    denied=(),
    parent=None,
    missing=(),
    quotas=(),
    limit_ranges=(),
    room=Room.UNKNOWN,
)
OURS = deployment(a_cluster_revision(), PLACE, BESIDE, running=True)
THEIRS = {"metadata": {"name": "iris", "labels": {"app": "iris"}}}
ENDING = {"metadata": {"name": "team", "deletionTimestamp": "2025-03-09T08:07:06Z"}}


def quota(bounds, name="compute"):
    """By resource: its bound, and what is used of it."""
    hard = {resource: bound for resource, (bound, _) in bounds.items()}
    used = {resource: taken for resource, (_, taken) in bounds.items()}
    return {"metadata": {"name": name}, "status": {"hard": hard, "used": used}}


def found(facts, revision=None, kind=DEPLOYMENT, place=PLACE):
    revision = revision or a_cluster_revision()
    return obstacles(revision, place, kind, pod_spec(revision, place, container="predictor"), facts)


WELL = {
    "a first deploy": {},
    "a next one": {"parent": OURS, "room": Room.BESIDE},
    "nobody can tell whether it fits": {"parent": OURS, "room": Room.UNKNOWN},
    "no room beside, and another way": {"parent": OURS, "room": Room.INSTEAD},
    "no room at all, which the pods will tell": {"parent": OURS, "room": Room.NOWHERE},
    "a namespace that may not be looked at": {"namespace": None, "namespace_known": False},
}


@pytest.mark.parametrize("changes", WELL.values(), ids=WELL.keys())
def test_nothing_stands_in_the_way_where_all_is_well(changes):
    assert found(replace(FACTS, **changes)) == ()


IN_THE_WAY = {
    "no KServe": ({"tool_served": False}, Cause.TOOL_MISSING, "does not know Deployment (apps/v1)", "Install KServe"),
    "no namespace": (
        {"namespace": None},
        Cause.PLACE_INCOMPLETE,
        "There is no namespace 'team'.",
        "kubectl create namespace team",
    ),
    "a namespace that ends": (
        {"namespace": ENDING},
        Cause.NAMESPACE_TERMINATING,
        "Namespace 'team' is being deleted.",
        "Wait until it is gone",
    ),
    "rights": (
        {"denied": ("patch deployments", "get pods/log")},
        Cause.FORBIDDEN,
        "may not patch deployments, get pods/log in namespace 'team'",
        "Bind the Role",
    ),
    "a name that is taken": (
        {"parent": THEIRS},
        Cause.OBJECT_TAKEN,
        "There is a Deployment 'iris' already, and it is not that of deployment 'iris'",
        "choose another name",
    ),
    "something that pods name": (
        {"missing": ("service account 'moorage-predictor'", "Secret 'moorage-store'")},
        Cause.PLACE_INCOMPLETE,
        "Namespace 'team' has no service account 'moorage-predictor' and no Secret 'moorage-store'.",
        "MOORAGE_SERVICE_ACCOUNT",
    ),
}


@pytest.mark.parametrize(("changes", "cause", "summary", "mend"), IN_THE_WAY.values(), ids=IN_THE_WAY.keys())
def test_an_obstacle_says_what_is_wrong_and_how_to_mend_it(changes, cause, summary, mend):
    (verdict,) = found(replace(FACTS, **changes))
    assert verdict.cause is cause
    assert summary in verdict.summary
    assert mend in verdict.mend


def test_the_kind_that_is_missing_is_the_tools_own():
    revision = a_cluster_revision(serving_tool=ServingTool.KSERVE)
    (verdict,) = found(replace(FACTS, tool_served=False), revision, INFERENCE_SERVICE)
    assert verdict.summary == "The cluster does not know InferenceService (serving.kserve.io/v1beta1)."
    assert verdict.expected == "Serving tool KSERVE needs it."


TAKEN = {
    "another deployment, but for capitals": a_cluster_revision(deployment="Iris"),
    "the other tool": a_cluster_revision(serving_tool=ServingTool.KSERVE),
}


@pytest.mark.parametrize("revision", TAKEN.values(), ids=TAKEN.keys())
def test_what_we_made_for_another_is_taken_too(revision):
    assert [each.cause for each in found(replace(FACTS, parent=OURS), revision)] == [Cause.OBJECT_TAKEN]


def test_the_same_name_from_another_store_is_taken():
    verdicts = found(replace(FACTS, parent=OURS), place=replace(PLACE, store_url="s3://others"))
    assert [each.cause for each in verdicts] == [Cause.OBJECT_TAKEN]


def test_all_that_is_in_the_way_is_told_and_what_comes_first_comes_first():
    facts = replace(
        FACTS,
        tool_served=False,
        namespace=ENDING,
        denied=("get pods",),
        parent=THEIRS,
        missing=("Secret 'x'",),
        quotas=(quota({"pods": ("1", "1")}),),
        room=Room.INSTEAD,
    )
    assert [each.cause for each in found(facts, a_cluster_revision(rollout={"strategy": "ROLLING"}))] == [
        Cause.TOOL_MISSING,
        Cause.NAMESPACE_TERMINATING,
        Cause.FORBIDDEN,
        Cause.OBJECT_TAKEN,
        Cause.PLACE_INCOMPLETE,
        Cause.QUOTA_EXCEEDED,
        Cause.UNSCHEDULABLE,
    ]


def test_rolling_is_refused_where_both_do_not_fit():
    rolling = a_cluster_revision(rollout={"strategy": "ROLLING"})
    (verdict,) = found(replace(FACTS, parent=OURS, room=Room.INSTEAD), rolling)
    assert verdict.cause is Cause.UNSCHEDULABLE
    assert "no node has what it requests free" in verdict.summary
    assert found(replace(FACTS, parent=OURS, room=Room.UNKNOWN), rolling) == ()


GPU = {"resources": {"instances": 2, "requests": {"cores": 0.5, "memory_mb": 512, "gpus": 1}}}

# quota, revision, what is there already -> what the verdict says
EXCEEDED = {
    "pods": (
        quota({"pods": ("4", "4")}),
        {},
        None,
        "Quota 'compute' leaves 0 pods, and 1 more would be needed for 1 pod at once.",
        "4 is its bound, 4 is used.",
    ),
    "pods, by their other name": (
        quota({"count/pods": ("1", "1")}),
        {},
        None,
        "leaves 0 count/pods, and 1 more",
        "1 is used",
    ),
    "pods of a first deploy": (
        quota({"pods": ("4", "3")}),
        GPU,
        None,
        "1 pods, and 2 more would be needed for 2 pods at",
        "",
    ),
    "cores": (
        quota({"requests.cpu": ("2", "1500m")}),
        GPU,
        None,
        "leaves 0.5 requests.cpu, and 1 more",
        "2 is its bound",
    ),
    "cores, by their short name": (
        quota({"cpu": ("500m", "0")}),
        GPU,
        None,
        "leaves 0.5 cpu, and 1 more",
        "500m is its bound",
    ),
    "memory": (
        quota({"requests.memory": ("1Gi", "1Mi")}),
        GPU,
        None,
        "leaves 1072693248 requests.memory",
        "1Mi is used",
    ),
    "memory, by its short name": (
        quota({"memory": ("1Gi", "1Mi")}),
        GPU,
        None,
        "and 1073741824 more",
        "1Gi is its bound",
    ),
    "GPUs": (
        quota({"requests.nvidia.com/gpu": ("1", "0")}),
        GPU,
        None,
        "leaves 1 requests.nvidia.com/gpu, and 2 more",
        "1 is its bound",
    ),
    "GPUs of the one that comes beside": (
        quota({"requests.nvidia.com/gpu": ("2", "2")}),
        GPU,
        OURS,
        "leaves 0 requests.nvidia.com/gpu, and 1 more would be needed for 1 pod at once",
        "",
    ),
    "the first pod of what scales from zero": (
        quota({"pods": ("1", "1")}),
        {"serving_tool": ServingTool.KSERVE, "resources": {"instances": 0}},
        None,
        "leaves 0 pods, and 1 more",
        "",
    ),
    "a bound that was lowered under what is used": (
        quota({"pods": ("1", "3")}),
        {},
        None,
        "leaves -2 pods",
        "3 is used",
    ),
    "of what nothing is used yet": (
        {"metadata": {"name": "compute"}, "status": {"hard": {"pods": "0"}}},
        {},
        None,
        "leaves 0 pods",
        "0 is its bound, 0 is used.",
    ),
}


@pytest.mark.parametrize(("bound", "changes", "parent", "summary", "expected"), EXCEEDED.values(), ids=EXCEEDED.keys())
def test_a_quota_that_would_be_exceeded_is_told_with_its_numbers(bound, changes, parent, summary, expected):
    facts = replace(FACTS, quotas=(bound,), parent=parent, own_pods=2 if parent else 0)
    (verdict,) = found(facts, a_cluster_revision(**changes))
    assert verdict.cause is Cause.QUOTA_EXCEEDED
    assert summary in verdict.summary
    assert expected in verdict.expected


ENOUGH = {
    "just enough": (
        quota({"pods": ("4", "2"), "requests.cpu": ("1", "0"), "requests.memory": ("1Gi", "0")}),
        GPU,
        None,
    ),
    "for the one that comes beside": (quota({"pods": ("4", "3"), "requests.cpu": ("500m", "0")}), GPU, OURS),
    "of other things": (quota({"services": ("1", "1"), "requests.storage": ("1Gi", "1Gi")}), GPU, None),
    "of GPUs, and none is asked for": (quota({"requests.nvidia.com/gpu": ("0", "0")}), {}, None),
    "not counted yet": ({"metadata": {"name": "new"}}, {}, None),
}


@pytest.mark.parametrize(("bound", "changes", "parent"), ENOUGH.values(), ids=ENOUGH.keys())
def test_a_quota_that_leaves_enough_is_no_obstacle(bound, changes, parent):
    facts = replace(FACTS, quotas=(bound,), parent=parent, own_pods=2 if parent else 0)
    assert found(facts, a_cluster_revision(**changes)) == ()


def test_every_quota_is_looked_at():
    quotas = (
        quota({"pods": ("0", "0")}, "small"),
        quota({"pods": ("9", "0")}, "large"),
        quota({"cpu": ("0", "0")}, "other"),
    )
    named = [verdict.summary.split("'")[1] for verdict in found(replace(FACTS, quotas=quotas))]
    assert named == ["small", "other"]


def granted():
    """By group and resource: what the Role of who deploys grants, as it is declared."""
    declared = Path(__file__).parents[3] / "deployments" / "kubernetes" / "deployer.yaml"
    (role,) = (each for each in yaml.safe_load_all(declared.read_text()) if each["kind"] == "Role")
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("kind", [*KubernetesShape().kinds, *KServeShape().kinds], ids=lambda kind: kind.name)
def test_the_deployers_role_grants_just_what_a_deploy_does_to_what_it_writes(kind):
    assert granted()[(kind.group, kind.plural)] == set(VERBS)


@pytest.mark.parametrize(("kind", "part", "verb"), LOOKED_AT)
def test_the_deployers_role_grants_what_a_deploy_looks_at(kind, part, verb):
    assert verb in granted()[(kind.group, f"{kind.plural}/{part}" if part else kind.plural)]


def limit_range(kind="Container", **bounds):
    return {"metadata": {"name": "small"}, "spec": {"limits": [{"type": kind, **bounds}]}}


OUT_OF_RANGE = {
    "too high a limit": ({"max": {"memory": "512Mi"}}, "refuses limits.memory 1024Mi of container predictor"),
    "too low a request": ({"min": {"cpu": "500m"}}, "refuses requests.cpu 200m of container"),
}


@pytest.mark.parametrize(("bounds", "said"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE.keys())
def test_a_limit_range_that_a_container_is_out_of_is_named(bounds, said):
    refused = found(replace(FACTS, limit_ranges=(limit_range(**bounds),)))
    assert {verdict.cause for verdict in refused} == {Cause.QUOTA_EXCEEDED}
    assert any(said in verdict.summary for verdict in refused)


@pytest.mark.parametrize(
    "bounds", [{"max": {"memory": "1Gi"}}, {"min": {"cpu": "0.2"}}, {"max": {"nvidia.com/gpu": "0"}}], ids=str
)
def test_a_limit_range_that_is_kept_to_stands_in_no_ones_way(bounds):
    assert found(replace(FACTS, limit_ranges=(limit_range(**bounds), limit_range("Pod", max={"cpu": "1m"})))) == ()


@pytest.mark.parametrize("spec", [{"scopes": ["BestEffort"]}, {"scopeSelector": {"matchExpressions": []}}], ids=str)
def test_a_quota_for_other_pods_is_no_obstacle(spec):
    assert found(replace(FACTS, quotas=(quota({"pods": ("0", "0")}) | {"spec": spec},))) == ()


def test_one_that_makes_room_first_needs_no_more_pods():
    facts = replace(FACTS, quotas=(quota({"pods": ("1", "1")}),), parent=OURS, own_pods=1)
    recreate = a_cluster_revision(rollout={"strategy": "RECREATE"}, resources={"instances": 1})
    assert found(facts, recreate) == ()
    assert found(facts, a_cluster_revision(resources={"instances": 3}))[0].summary.endswith("for 3 pods at once.")


def in_queue(queue):
    """What is there of the deployment, in this queue or in none."""
    return deployment(a_cluster_revision(queue=queue), PLACE, BESIDE, running=True)


QUEUES = {
    "into one": (None, "gpu", "is in no queue, and would be in queue 'gpu'"),
    "into another": ("cpu", "gpu", "is in queue 'cpu', and would be in queue 'gpu'"),
    "out of it": ("cpu", None, "is in queue 'cpu', and would be in no queue"),
}


@pytest.mark.parametrize(("before", "after", "said"), QUEUES.values(), ids=QUEUES.keys())
def test_what_exists_cannot_leave_its_queue_for_it_could_not_come_back(before, after, said):
    (verdict,) = found(replace(FACTS, parent=in_queue(before)), a_cluster_revision(queue=after))
    assert (verdict.cause, said in verdict.summary) == (Cause.WEBHOOK_DENIED, True)
    assert "moorage deployment delete iris" in verdict.mend


@pytest.mark.parametrize("queue", [None, "gpu"])
def test_what_stays_in_its_queue_is_no_obstacle(queue):
    assert found(replace(FACTS, parent=in_queue(queue)), a_cluster_revision(queue=queue)) == ()
