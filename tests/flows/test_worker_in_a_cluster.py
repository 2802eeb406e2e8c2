"""What `deployments/kubernetes` says of the Prefect worker, against the installed Prefect; a cluster tries it too."""

import asyncio
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from moorage.settings import Settings

DECLARED = Path(__file__).parents[2] / "deployments" / "kubernetes"
OBJECTS = {
    (each["kind"], each["metadata"]["name"]): each
    for file in ("worker.yaml", "deployer.yaml", "settings.yaml", "predictor.yaml")
    for each in yaml.safe_load_all((DECLARED / file).read_text())
}
TEMPLATE = json.loads(OBJECTS["ConfigMap", "moorage-worker"]["data"]["base-job-template.json"])
WORKER = OBJECTS["Deployment", "moorage-worker"]["spec"]["template"]["spec"]


@pytest.fixture
def job():
    """The job that the worker makes of the template, with a variable of a Prefect deployment's own."""
    values = {"env": {"PREFECT_LOGGING_ROOT_LEVEL": "INFO"}}
    made = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(TEMPLATE, values))
    return made.job_manifest


def test_each_variable_of_the_template_is_used_and_each_use_has_one():
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(TEMPLATE["job_configuration"])))
    assert used == TEMPLATE["variables"]["properties"].keys()


def test_a_run_is_a_pod_of_the_account_that_deploys(job):
    pod = job["spec"]["template"]["spec"]
    assert ("ServiceAccount", pod["serviceAccountName"]) in OBJECTS
    assert pod["serviceAccountName"] == "moorage-deployer"
    assert WORKER["serviceAccountName"] == "moorage-worker"


def test_worker_and_runs_are_the_image_of_this_version(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (worker,) = WORKER["containers"]
    assert container["image"] == worker["image"] == f"moorage/flows:{version('moorage')}"


def test_what_a_pod_takes_its_settings_from_is_there_and_read(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    config, secret = container["envFrom"]
    assert ("Secret", secret["secretRef"]["name"]) in OBJECTS
    named = OBJECTS["ConfigMap", config["configMapRef"]["name"]]["data"]
    settings = Settings.from_env({name: value for name, value in named.items() if name.startswith("MOORAGE_")})
    assert (settings.store, settings.image_of("x")) == ("s3://bucket/prefix", f"moorage/x:{version('moorage')}")
    assert named["PREFECT_API_URL"].endswith("/api")


def test_the_worker_may_start_jobs_and_deploy_nothing():
    rules = OBJECTS["Role", "moorage-worker"]["rules"]
    changing = {
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch")
    }
    assert changing == {("jobs", "create"), ("jobs", "delete")}
