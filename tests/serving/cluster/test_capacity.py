"""Whether one more pod fits: nodes and pods in, yes or no out."""

from decimal import Decimal

import pytest

from moorage.serving.cluster.capacity import fits, quantity, requests_of

GPU = "nvidia.com/gpu"

QUANTITIES = {
    "0": "0",
    "2": "2",
    "0.5": "0.5",
    "500m": "0.5",
    "1500m": "1.5",
    "250000n": "0.00025",
    "7u": "0.000007",
    "1e3": "1000",
    "1E3": "1000",
    "2.5e-1": "0.25",
    "100k": "100000",
    "1M": "1000000",
    "3G": "3000000000",
    "1T": "1000000000000",
    "1P": "1000000000000000",
    "1Ki": "1024",
    "512Mi": "536870912",
    "1Gi": "1073741824",
    "1.5Gi": "1610612736",
    "1Ti": "1099511627776",
    "1Pi": "1125899906842624",
    "-1": "-1",
    "+2": "2",
}


@pytest.mark.parametrize(("text", "amount"), QUANTITIES.items())
def test_a_quantity_is_a_number(text, amount):
    assert quantity(text) == Decimal(amount)


def test_a_quantity_may_be_a_number_already():
    assert (quantity(4), quantity(0.5)) == (Decimal(4), Decimal("0.5"))


@pytest.mark.parametrize("text", ["", "m", "Gi", "1 Gi", "1gi", "1K", "1mi", "1x", "e3", "1e", "--1", "1Gi ", "None"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def asking(**requests):
    return {"resources": {"requests": {name.replace("gpu", GPU): text for name, text in requests.items()}}}


def a_spec(*containers, first=(), node=None, **more):
    return {"containers": list(containers), "initContainers": list(first), "nodeName": node, **more}


SPECS = {
    "one container": (a_spec(asking(cpu="500m", memory="1Gi")), {"cpu": "0.5", "memory": 2**30}),
    "containers together": (
        a_spec(asking(cpu="500m"), asking(cpu="1", memory="1Mi")),
        {"cpu": "1.5", "memory": 2**20},
    ),
    "a larger first container": (a_spec(asking(cpu="1"), first=[asking(cpu="3")]), {"cpu": "3"}),
    "a smaller first container": (a_spec(asking(cpu="2"), first=[asking(cpu="1500m")]), {"cpu": "2"}),
    "first containers one after the other": (
        a_spec(asking(cpu="1"), first=[asking(cpu="2"), asking(cpu="2")]),
        {"cpu": "2"},
    ),
    "each resource by itself": (
        a_spec(asking(cpu="1", memory="3Mi"), first=[asking(cpu="2", memory="2Mi")]),
        {"cpu": "2", "memory": 3 * 2**20},
    ),
    "what only the first container asks for": (a_spec(asking(cpu="1"), first=[asking(gpu="1")]), {"cpu": "1", GPU: 1}),
    "what only the first container asks for, in parts": (a_spec({}, first=[asking(cpu="500m")]), {"cpu": "0.5"}),
    "nothing": (a_spec({}, {"resources": {}}), {}),
    "no first containers": ({"containers": [asking(cpu="1")], "initContainers": None}, {"cpu": "1"}),
}


@pytest.mark.parametrize(("spec", "amounts"), SPECS.values(), ids=SPECS.keys())
def test_the_scheduler_sets_aside_the_sum_or_the_largest_first_container(spec, amounts):
    assert requests_of(spec) == {name: Decimal(amount) for name, amount in amounts.items()}


def a_node(name="a", *, labels=None, taints=None, cordoned=False, cpu="4", memory="8Gi", gpu="0", pods="10"):
    spec = {"taints": taints, "unschedulable": True} if cordoned else {"taints": taints}
    allocatable = {"cpu": cpu, "memory": memory, GPU: gpu, "pods": pods, "ephemeral-storage": "100Gi"}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"allocatable": allocatable}}


def a_pod(node="a", phase="Running", **requests):
    return {"spec": a_spec(asking(**requests), node=node), "status": {"phase": phase}}


def taint(effect="NoSchedule", key="team", **value):
    return {"key": key, "effect": effect, **value}


def tolerating(**toleration):
    return a_spec(asking(cpu="1"), tolerations=[{"key": "team", "operator": "Exists"} | toleration])


ONE_CORE, ONE_GPU = a_spec(asking(cpu="1", memory="1Gi")), a_spec(asking(cpu="1", gpu="1"))
EQUAL = {"operator": "Equal", "value": "ml"}

FITS = {
    "an empty node": (ONE_CORE, [a_node()], []),
    "just as much as is left": (ONE_CORE, [a_node()], [a_pod(cpu="3", memory="7Gi")]),
    "a pod that asks for nothing, beside full ones": (a_spec({}), [a_node()], [a_pod(cpu="4", memory="8Gi")]),
    "the second node": (ONE_CORE, [a_node(cpu="500m"), a_node("b")], []),
    "beside a pod of another node": (ONE_CORE, [a_node(), a_node("b", cpu="0")], [a_pod("b", cpu="4")]),
    "beside a pod that has no node yet": (ONE_CORE, [a_node()], [a_pod(None, "Pending", cpu="4")]),
    "beside a pod that succeeded": (ONE_CORE, [a_node()], [a_pod(phase="Succeeded", cpu="4")]),
    "beside a pod that failed": (ONE_CORE, [a_node()], [a_pod(phase="Failed", cpu="4")]),
    "a GPU that is left": (ONE_GPU, [a_node(gpu="2")], [a_pod(gpu="1")]),
    "the last pod that a node takes": (ONE_CORE, [a_node(pods="2")], [a_pod()]),
    "a node that is only kept for later": (ONE_CORE, [a_node(taints=[taint("PreferNoSchedule")])], []),
    "a taint that is tolerated": (tolerating(), [a_node(taints=[taint(value="ml")])], []),
    "a taint of one value": (tolerating(**EQUAL), [a_node(taints=[taint(value="ml")])], []),
    "a taint of one effect": (tolerating(effect="NoSchedule"), [a_node(taints=[taint()])], []),
    "a taint without a value, by a toleration without one": (
        tolerating(operator="Equal"),
        [a_node(taints=[taint()])],
        [],
    ),
    "a taint without a value": (tolerating(operator="Equal", value=""), [a_node(taints=[taint()])], []),
    "a node with the label": (ONE_CORE | {"nodeSelector": {"zone": "b"}}, [a_node(labels={"zone": "b", "x": "y"})], []),
}


@pytest.mark.parametrize(("spec", "nodes", "pods"), FITS.values(), ids=FITS.keys())
def test_one_more_has_room(spec, nodes, pods):
    assert fits(spec, nodes, pods)


NO_ROOM = {
    "no node": (ONE_CORE, [], []),
    "a core too few": (ONE_CORE, [a_node()], [a_pod(cpu="3001m")]),
    "memory too little": (ONE_CORE, [a_node()], [a_pod(memory="7.5Gi")]),
    "room on two nodes together": (a_spec(asking(cpu="5")), [a_node(), a_node("b")], []),
    "a first container that is too large": (a_spec(asking(cpu="1"), first=[asking(cpu="5")]), [a_node()], []),
    "no GPU at all": (ONE_GPU, [a_node()], []),
    "a resource that no node has": (a_spec({"resources": {"requests": {"amd.com/gpu": "1"}}}), [a_node()], []),
    "GPUs that are taken": (ONE_GPU, [a_node(gpu="2")], [a_pod(gpu="1"), a_pod(gpu="1", phase="Pending")]),
    "GPUs there, cores here": (ONE_GPU, [a_node(gpu="1", cpu="0"), a_node("b")], []),
    "as many pods as a node takes": (ONE_CORE, [a_node(pods="2")], [a_pod(), a_pod()]),
    "a node that is cordoned": (ONE_CORE, [a_node(cordoned=True)], []),
    "a taint": (ONE_CORE, [a_node(taints=[taint()])], []),
    "a taint that drives pods away": (ONE_CORE, [a_node(taints=[taint("NoExecute")])], []),
    "one taint of two": (tolerating(), [a_node(taints=[taint(), taint(key="gpu")])], []),
    "a taint of another value": (tolerating(**EQUAL), [a_node(taints=[taint(value="web")])], []),
    "a taint of another effect": (tolerating(effect="NoExecute"), [a_node(taints=[taint()])], []),
    "a node with another label": (ONE_CORE | {"nodeSelector": {"zone": "b"}}, [a_node(labels={"zone": "a"})], []),
    "a node with one label of two": (
        ONE_CORE | {"nodeSelector": {"zone": "b", "disk": "ssd"}},
        [a_node(labels={"zone": "b"})],
        [],
    ),
    "a node without labels": (ONE_CORE | {"nodeSelector": {"zone": "b"}}, [a_node()], []),
}


@pytest.mark.parametrize(("spec", "nodes", "pods"), NO_ROOM.values(), ids=NO_ROOM.keys())
def test_one_more_has_no_room(spec, nodes, pods):
    assert not fits(spec, nodes, pods)
