"""Where Knative says that requests go, and when that is settled."""

from typing import Any

import pytest

from moorage.serving.cluster.marks import REVISION
from moorage.serving.cluster.shape import Route
from moorage.serving.kserve.knative import read_route


def a_service(applied: int = 2, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "observedGeneration": 5,
        "conditions": [{"type": "Ready", "status": "True"}],
        "latestCreatedRevisionName": "iris-00002",
        "latestReadyRevisionName": "iris-00002",
        "traffic": [{"revisionName": "iris-00002", "percent": 100, "latestRevision": True}],
    }
    template = {"metadata": {"labels": {REVISION: str(applied)}}}
    return {"metadata": {"generation": 5}, "spec": {"template": template}, "status": values | changes}


PARTS: list[dict[str, Any]] = [
    {"metadata": {"name": f"iris-0000{number}", "labels": {REVISION: str(number)}}} for number in (1, 2)
]
URL = "http://latest-iris.team.example.com"


def shared(percent: int, **changes: Any) -> dict[str, Any]:
    """Two revisions of Knative's share the requests: so many percent to the second."""
    newest = {"revisionName": "iris-00002", "percent": percent, "latestRevision": True, "tag": "latest", "url": URL}
    older = {"revisionName": "iris-00001", "percent": 100 - percent, "tag": "prev", "url": "http://prev-iris"}
    return a_service(traffic=[newest, older], **changes)


STATES = {
    "settled": (a_service(), Route(settled=True, serving=2)),
    "no Service yet": (None, Route(settled=False, serving=None)),
    "nothing said yet": (a_service() | {"status": {}}, Route(settled=False, serving=None)),
    "not seen by its controller yet": (a_service(observedGeneration=4), Route(settled=False, serving=2)),
    "not ready": (a_service(conditions=[{"type": "Ready", "status": "Unknown"}]), Route(settled=False, serving=2)),
    "template of the one before": (a_service(applied=1), Route(settled=False, serving=2)),
    "requests still go to the one before": (
        a_service(traffic=[{"revisionName": "iris-00001", "percent": 100}]),
        Route(settled=False, serving=1),
    ),
    "to both": (shared(20), Route(settled=False, serving=1, canary=True, canary_url=URL)),
    "to the one before, and none to a ready one": (
        shared(0),
        Route(settled=False, serving=1, canary=True, canary_url=URL),
    ),
    "to both, and the newer one is not ready any more": (
        shared(20, conditions=[{"type": "Ready", "status": "False"}]),
        Route(settled=False, serving=1),
    ),
    "to both, and a third is coming": (
        shared(20, latestCreatedRevisionName="iris-00003"),
        Route(settled=False, serving=1),
    ),
    "a tag without requests": (
        a_service(traffic=[*a_service()["status"]["traffic"], {"revisionName": "iris-00001", "tag": "prev"}]),
        Route(settled=True, serving=2),
    ),
    "a newer one is not ready": (a_service(latestCreatedRevisionName="iris-00003"), Route(settled=False, serving=2)),
}


@pytest.mark.parametrize(("service", "route"), STATES.values(), ids=STATES.keys())
def test_routes_decide(service, route):
    assert read_route(service, PARTS, applied=2) == route


def test_what_was_applied_again_beside_a_canary_serves_by_its_first_pods():
    same = [part | {"metadata": part["metadata"] | {"labels": {REVISION: "2"}}} for part in PARTS]
    assert read_route(shared(0), same, applied=2) == Route(settled=True, serving=2, canary=True, canary_url=URL)
