"""How new pods take the place of old ones."""

import pytest

from moorage.serving.cluster.strategy import Room, announce, choose_strategy, no_room, room_for, surge_of
from moorage.startup import Cause
from tests.serving.cluster.place import a_cluster_revision

BESIDE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
ONE_BY_ONE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
RECREATE = {"type": "Recreate"}

# what was asked for, instances, where one more has room -> strategy
CHOICES = {
    "room": ("AUTO", 1, Room.BESIDE, BESIDE),
    "nobody can tell": ("AUTO", 1, Room.UNKNOWN, BESIDE),
    "only instead": ("AUTO", 1, Room.INSTEAD, RECREATE),
    "only instead, and others to answer meanwhile": ("AUTO", 2, Room.INSTEAD, ONE_BY_ONE),
    "nowhere, so that stopping the old one helps nobody": ("AUTO", 1, Room.NOWHERE, BESIDE),
    "ROLLING": ("ROLLING", 1, Room.BESIDE, BESIDE),
    "ROLLING, and no room": ("ROLLING", 3, Room.INSTEAD, BESIDE),
    "RECREATE, although there is room": ("RECREATE", 1, Room.BESIDE, RECREATE),
    "RECREATE of several": ("RECREATE", 2, Room.UNKNOWN, ONE_BY_ONE),
}


@pytest.mark.parametrize(("asked", "instances", "room", "strategy"), CHOICES.values(), ids=CHOICES.keys())
def test_old_pods_give_way_as_room_allows(asked, instances, room, strategy):
    revision = a_cluster_revision(rollout={"strategy": asked}, resources={"instances": instances})
    assert choose_strategy(revision, room) == strategy


def test_with_scaling_the_least_counts():
    revision = a_cluster_revision(scaling={"min_instances": 2, "max_instances": 4})
    assert choose_strategy(revision, Room.INSTEAD) == ONE_BY_ONE
    assert choose_strategy(a_cluster_revision(scaling={"max_instances": 4}), Room.INSTEAD) == RECREATE


def asking(gpus):
    return {"containers": [{"resources": {"requests": {"nvidia.com/gpu": gpus}}}]}


def a_node(name="a", gpus="1"):
    return {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": {"nvidia.com/gpu": gpus, "pods": "9"}}}


def a_pod(uid, node="a", gpus="1"):
    return {"metadata": {"uid": uid}, "spec": asking(gpus) | {"nodeName": node}, "status": {"phase": "Running"}}


# what the new one asks for, nodes, pods: o are our own -> where it has room
ROOMS = {
    "a node that is free": ("1", [a_node(), a_node("b")], [a_pod("o")], Room.BESIDE),
    "the last GPU, and it is ours": ("1", [a_node()], [a_pod("o")], Room.INSTEAD),
    "the last GPU, and it is another's": ("1", [a_node()], [a_pod("x")], Room.NOWHERE),
    "ours here, another's there": ("1", [a_node(), a_node("b")], [a_pod("x"), a_pod("o", "b")], Room.INSTEAD),
    "more than what ours leaves": ("2", [a_node()], [a_pod("o")], Room.NOWHERE),
    "more than ours has, beside another's": ("2", [a_node(gpus="2")], [a_pod("o"), a_pod("x")], Room.NOWHERE),
    "no node": ("1", [], [a_pod("o")], Room.NOWHERE),
}


@pytest.mark.parametrize(("gpus", "nodes", "pods", "room"), ROOMS.values(), ids=ROOMS.keys())
def test_room_is_beside_ours_or_instead_of_them(gpus, nodes, pods, room):
    assert room_for(asking(gpus), nodes, pods, {"o"}) is room


@pytest.mark.parametrize(("instances", "more"), {0: 0, 1: 1, 4: 1, 5: 2, 8: 2, 9: 3}.items())
def test_a_quarter_more_are_there_at_once_rounded_up(instances, more):
    assert surge_of(a_cluster_revision(resources={"instances": instances})) == more


SAID = {
    "beside": (BESIDE, "the old instances answer until the new ones do"),
    "one by one": (ONE_BY_ONE, "one by one, with one fewer meanwhile"),
    "one after the other": (RECREATE, "nothing answers until the new one does"),
}


@pytest.mark.parametrize(("strategy", "words"), SAID.values(), ids=SAID.keys())
def test_people_are_told_what_they_will_see_meanwhile(strategy, words):
    assert words in announce(strategy)


def test_why_there_is_no_room_is_said_with_the_way_out():
    verdict = no_room(a_cluster_revision(deployment="Iris"), "no node has 4 cores free")
    assert verdict.cause is Cause.UNSCHEDULABLE
    assert verdict.summary == (
        "Deployment 'Iris' has no room for one more instance beside those that run: no node has 4 cores free."
    )
    assert "set rollout.strategy to AUTO" in verdict.mend
