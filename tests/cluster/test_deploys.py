"""Deployed, redeployed, rolled back, stopped, started and deleted, under load, by the library and by the flow."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from moorage import lifecycle
from moorage.components import InferenceBatcher
from moorage.deployment import Revision, Rollout, State, Strategy
from moorage.inference.tensors import InferInput
from moorage.predictor import ServingTool
from moorage.resources import Limits, PredictorResources, Requests, Scaling
from moorage.serving.cluster.backend import ClusterBackend
from moorage.serving.cluster.marks import Manifest
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.conftest import Cluster
from tests.cluster.deploying import ask, deploy
from tests.cluster.faults import REQUEST_ERROR
from tests.cluster.kubectl import NAMESPACE, OURS, kubectl, objects
from tests.load import Load
from tests.serving.conftest import DOUBLE, Workshop
from tests.waiting import until

KINDS = ("deployments", "services", "horizontalpodautoscalers", "inferenceservices", "pods", "replicasets")


def left_behind() -> list[str]:
    return [f"{kind}/{each['metadata']['name']}" for kind in KINDS for each in objects(kind, OURS)]


def service_url(backend: ClusterBackend) -> str:
    """Where the Service answers from this machine, if its network is routed here."""
    name = backend.shape.service("double")
    address = yaml.safe_load(kubectl("get", "service", name, "-n", NAMESPACE, "-o", "yaml"))["spec"]["clusterIP"]
    return f"http://{address}"


CHANGES: dict[str, dict[str, Any]] = {
    "a new model version": {"factor": 3},
    "a new script": {"script": "# again\n" + DOUBLE},
    "new resources": {
        "resources": PredictorResources(requests=Requests(cores=0.1, memory_mb=128), limits=Limits(cores=1.5))
    },
    "two instances": {"resources": PredictorResources(instances=2)},
    "scaling by load": {"scaling": Scaling(min_instances=1, max_instances=2, metric="CPU", target=90)},
    "a variable with signs in it": {"env_vars": ({"name": "PRICE", "value": "$(HOME) 5$ $$"},)},
}


COUNTS_LETTERS = """
import os

class Predictor:
    def predict(self, inputs):
        return [row[0] * len(os.environ["TOKEN"]) // 7 for row in inputs]
"""
TELLS_ITS_BATCH = """
class Predictor:
    def predict(self, inputs):
        return [len(inputs) for _ in inputs]
"""


def test_each_change_makes_a_revision_that_replaces_the_one_before(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    for number, changes in enumerate(({}, *CHANGES.values()), start=1):
        draft = workshop.revision(**changes)
        outcome = deploy(site, draft)
        assert (outcome.verdict, outcome.revision and outcome.revision.number) == (None, number)
        assert ask(site, draft) == (63 if changes.get("factor") == 3 else 42, str(number))


def test_a_secret_of_the_namespace_reaches_the_script_and_no_object(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    kubectl("create", "secret", "generic", "hub", "-n", NAMESPACE, "--from-literal=token=hunter2hunter2")
    try:
        named = ({"name": "TOKEN", "secret": "hub", "key": "token"},)
        draft = workshop.revision(script=COUNTS_LETTERS, env_vars=named)
        outcome = deploy(site, draft)
        assert outcome.verdict is None
        assert ask(site, draft) == (42, "1")
        written = "".join(kubectl("get", kind, "-n", NAMESPACE, "-o", "yaml") for kind in ("pods", "deployments"))
        assert "hunter2" not in written
    finally:
        kubectl("delete", "secret", "hub", "-n", NAMESPACE)


def test_requests_that_users_make_at_once_are_batched_in_a_pod_too(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    batcher = InferenceBatcher(enabled=True, max_latency_ms=300)
    asked = ({"inputs": [[21]]},)
    draft = workshop.revision(script=TELLS_ITS_BATCH, inference_batcher=batcher, smoke_requests=asked)
    assert deploy(site, draft).verdict is None
    url = f"{service_url(backend)}/v1/models/double:predict"
    with ThreadPoolExecutor(8) as users, httpx.Client(trust_env=False) as http:
        answers = list(users.map(lambda _: http.post(url, json={"instances": [[1]]}).json(), range(8)))
    assert max(answer["predictions"][0] for answer in answers) > 1


def test_nothing_changed_is_nothing_asked_of_the_cluster_but_to_look(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    draft = workshop.revision()
    deploy(site, draft)
    calls, generation = backend.client.calls, objects("deployments", OURS)[0]["metadata"]["generation"]
    reads, writes = calls.reads, (calls.writes, calls.dry_runs)
    assert deploy(site, draft).verdict is None
    assert (calls.writes, calls.dry_runs) == writes
    assert calls.reads - reads <= 10
    assert objects("deployments", OURS)[0]["metadata"]["generation"] == generation


def test_a_plan_names_what_would_change_and_is_empty_where_nothing_would(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    live = workshop.revision()
    deploy(site, live)
    assert backend.plan(live).changes == ()
    other = live.model_copy(update={"number": 2, "resources": PredictorResources(limits=Limits(memory_mb=2048))})
    told = "\n".join(backend.plan(other).changes)
    assert 'resources.limits.memory: "1Gi" → "2Gi"' in told
    assert "the old instances answer until the new ones do" in told
    assert backend.observe("double").applied == 1


def test_users_notice_neither_a_good_nor_a_broken_redeploy_nor_a_roll_back(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    first = workshop.revision()
    deploy(site, first)
    with Load(service_url(backend), "double", [[1]], lambda got: got in ([2], [3]), rate=40, users=4) as load:
        good = deploy(site, workshop.revision(factor=3))
        broken = deploy(site, workshop.revision(script=REQUEST_ERROR))
        back = deploy(site, first)
    assert (good.verdict, back.verdict) == (None, None)
    assert broken.verdict is not None
    assert broken.verdict.cause is Cause.PREDICT_ERROR
    assert (load.failures, set(load.answers)) == ([], {"1", "2", "4"})
    assert load.asked > 200


def test_where_two_do_not_fit_the_old_one_makes_room_and_the_plan_says_so(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    every_gpu: dict[str, Any] = {"resources": PredictorResources(requests=Requests(gpus=_gpus()))}
    deploy(site, workshop.revision(**every_gpu))
    draft = workshop.revision(factor=3, **every_gpu)
    assert "nothing answers until the new one does" in "\n".join(backend.plan(draft).changes)
    refused = deploy(site, draft.model_copy(update={"rollout": Rollout(strategy=Strategy.ROLLING)}))
    assert refused.verdict is not None
    assert (refused.verdict.cause, ask(site, draft)) == (Cause.UNSCHEDULABLE, (42, "1"))
    assert deploy(site, draft).verdict is None
    assert ask(site, draft)[0] == 63
    broken = deploy(site, workshop.revision(script=REQUEST_ERROR, **every_gpu))
    assert broken.verdict is not None
    assert (broken.verdict.cause, ask(site, draft)) == (Cause.PREDICT_ERROR, (63, "2"))


def test_recreating_costs_the_gap_that_the_plan_announces_and_no_more(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    deploy(site, workshop.revision())
    draft = workshop.revision(factor=3, rollout=Rollout(strategy=Strategy.RECREATE))
    assert "the old instance is stopped first, and nothing answers" in "\n".join(backend.plan(draft).changes)
    with Load(service_url(backend), "double", [[1]], lambda got: got in ([2], [3]), rate=40, users=4) as load:
        assert deploy(site, draft).verdict is None
        answered = load.answers["2"]
        until(lambda: load.answers["2"] > answered + 40, timeout_s=30, what="answers of the new one")
    print(f"{load.longest_gap_s:.1f} s without an answer, {len(load.failures)} of {load.asked} requests failed")
    assert set(load.answers) == {"1", "2"}


def _gpus() -> int:
    allocatable = yaml.safe_load(kubectl("get", "nodes", "-o", "yaml"))["items"][0]["status"]["allocatable"]
    found = int(allocatable.get("nvidia.com/gpu", 0))
    if not found:
        pytest.skip("no node advertises a GPU")
    return found


def test_stop_leaves_no_pod_start_brings_it_back_and_delete_leaves_nothing(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    deploy(site, workshop.revision(scaling=Scaling(min_instances=1, max_instances=2)))
    assert lifecycle.stop(site, "double").state is State.STOPPED
    assert objects("pods", OURS) == []
    assert lifecycle.start(site, "double").serving == 1
    lifecycle.delete(site, "double")
    until(lambda: not left_behind(), timeout_s=30, what="the end of all that it had")


def test_what_moves_to_the_other_tool_leaves_nothing_at_the_first(
    site: Site, backend: ClusterBackend, workshop: Workshop, tool: ServingTool
) -> None:
    deploy(site, workshop.revision())
    other = ServingTool.KSERVE if tool is ServingTool.KUBERNETES else ServingTool.KUBERNETES
    moved = workshop.revision(factor=3, serving_tool=other)
    assert deploy(site, moved).verdict is None
    assert ask(site, moved) == (63, "2")
    assert backend.observe("double").state in (State.STOPPED, State.STOPPING, State.CREATED)
    lifecycle.delete(site, "double")
    until(lambda: not left_behind(), timeout_s=30, what="the end of all that it had")


def test_somebody_elses_object_is_left_alone(site: Site, backend: ClusterBackend, workshop: Workshop) -> None:
    draft = workshop.revision()
    theirs = _as_if_of_others(backend, draft)
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(theirs))
    try:
        refused = deploy(site, draft)
        assert refused.verdict is not None
        assert refused.verdict.cause is Cause.OBJECT_TAKEN
        backend.stop("double")
        backend.delete("double")
        assert backend.observe("double").state is State.CREATED
        kubectl("get", theirs["kind"], "double", "-n", NAMESPACE)
    finally:
        kubectl("delete", theirs["kind"], "double", "-n", NAMESPACE)


def _as_if_of_others(backend: ClusterBackend, draft: Revision) -> Manifest:
    elsewhere = replace(backend.place, store_url="s3://somebody/elses")
    manifests = backend.shape.manifests(draft, elsewhere, {"type": "Recreate"}, running=False)
    return next(each for each in manifests if each["kind"] != "Service")


def test_by_the_flow_from_a_terminal(cluster: Cluster, tool: ServingTool, tmp_path: Path) -> None:
    settings = cluster.settings
    variables = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "MOORAGE_HOME": str(tmp_path / "home"),
        "MOORAGE_STORE": f"{cluster.store}/{tool}",
        "MOORAGE_NAMESPACE": NAMESPACE,
        "MOORAGE_IMAGES": settings["images"],
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "factor").write_text("2")
    (tmp_path / "predictor.py").write_text(DOUBLE)
    spec = {"name": "double", "model": {"name": "double"}, "serving_tool": str(tool), "script_file": "predictor.py"}
    spec["smoke_test"] = {"requests": [{"inputs": [[21]], "expect": [42]}]}
    (tmp_path / "double.yaml").write_text(yaml.safe_dump(spec))

    def typed(*command: str) -> str:
        done = subprocess.run(
            command,
            env=os.environ | variables,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        return done.stdout + done.stderr

    moorage = str(Path(sys.executable).with_name("moorage"))
    deploy_it = (sys.executable, "-m", "flows", "deploy-model", str(tmp_path / "double.yaml"))
    registered = typed(*deploy_it, "--register", str(tmp_path / "model"), "--framework", "PYTHON")
    assert "revision 1 of double is live" in registered, registered
    assert "nothing to do: revision 1 of double is live and unchanged" in typed(*deploy_it)
    assert "42" in typed(moorage, "deployment", "predict", "double", "--inputs", "[[21]]")
    (tmp_path / "predictor.py").write_text(REQUEST_ERROR)
    broken = typed(*deploy_it)
    assert "revision 2 of double failed and was taken back; revision 1 serves on" in broken
    assert "PREDICT_ERROR at predictor.py:3" in broken
    assert "PREDICT_ERROR" in typed(moorage, "deployment", "history", "double")
    typed(moorage, "deployment", "delete", "double", "--yes")
    until(lambda: not left_behind(), timeout_s=30, what="the end of all that it had")


def test_a_deployment_that_speaks_grpc_is_asked_with_tensors_and_with_rows(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    if backend.shape.tool is not ServingTool.KSERVE:
        return  # rule 31
    draft = workshop.revision(api_protocol="GRPC")
    assert deploy(site, draft).verdict is None
    answer = lifecycle.infer(site, "double", [InferInput("rows", [2, 1], "INT64", [21, 4])])
    assert answer.outputs[0].as_numpy().tolist() == [42, 8]
    assert answer.parameters["moorage-revision"] == "1"
    assert ask(site, draft) == (42, "1")
    ports = objects("services", f"{OURS},moorage.dev/deployment=double")[0]["spec"]["ports"]
    assert {port["port"] for port in ports} == {80, 8081}
    assert deploy(site, workshop.revision(factor=3, api_protocol="GRPC")).verdict is None
    for _ in range(5):  # whose connections end while the server still says something
        tripled = lifecycle.infer(site, "double", [InferInput("rows", [1, 1], "INT64", [7])])
        assert (tripled.outputs[0].data, tripled.parameters["moorage-revision"]) == ([21], "2")
