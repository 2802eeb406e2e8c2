"""Which options go together when pods serve: names, store, resources, scaling, queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.names import KSERVE_NAME_MAX, KSERVE_URL_MAX
from moorage.predictor import ServingTool
from moorage.resources import Placement, PredictorResources, counts_requests, least_instances
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule

# Linux takes 128 KiB in one environment variable (MAX_ARG_STRLEN), and the revision holds more than the requests.
_REQUESTS_MAX: Final = 96 * 1024
_OF_KNATIVE: Final = ("stable_window_s", "panic_window_percent", "panic_threshold_percent")
_FILLED_IN: Final = "default"
_FOR_CLUSTERS: Final = "It is for KSERVE and KUBERNETES."


@rule("L9", "resources", "scaling", "queue", "placement", "serving_tool")
def _cluster_options_fit(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Resources, scaling, queue and placement are for clusters."""
    able = facts.able(spec.serving_tool)
    if able is None or able.has_resources:
        return
    given = {
        "resources": spec.resources != PredictorResources(),
        "scaling": spec.scaling is not None,
        "queue": spec.queue is not None,
        "placement": spec.placement != Placement(),
    }
    for name in (name for name, there in given.items() if there):
        yield Violation(
            "L9",
            name,
            f"{name} was given for {spec.serving_tool}.",
            f"{_FOR_CLUSTERS} On this machine there is one instance, and it takes what it needs.",
            "Leave it out, or choose another serving_tool.",
        )


@rule("42", "queue", "serving_tool")
def _queue_is_chosen(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Where the namespace has queues of Kueue's, one is chosen, unless one is called 'default'.

    That one Kueue fills in: https://kueue.sigs.k8s.io/docs/tasks/manage/enforce_job_management/setup_default_local_queue/
    """
    if spec.queue is None and facts.queues and _FILLED_IN not in facts.queues:
        yield Violation(
            "42",
            "queue",
            "no queue was chosen.",
            f"Here resources are given out by Kueue, in the queues {', '.join(facts.queues)}.",
            "Set queue to one of them.",
        )


@rule("L10", "serving_tool")
def _store_can_be_reached(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Pods fetch from an object store, not from a folder of this machine."""
    if spec.serving_tool is not ServingTool.LOCAL and facts.store_url.startswith("file:"):
        yield Violation(
            "L10",
            "serving_tool",
            f"the store {facts.store_url} is a directory of this machine, which no pod can read.",
            f"Pods of {spec.serving_tool} fetch from an object store.",
            "Set MOORAGE_STORE to s3://bucket/prefix and register the model there.",
        )


@rule("L11", "name", "serving_tool")
def _name_fits_a_service(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """On a cluster the name begins with a letter, and is as short as KServe needs it.

    The first two are RFC 1035's rule for a Service, as Kubernetes checks it; the others are KServe's.
    """
    if spec.serving_tool is ServingTool.LOCAL:
        return
    if not spec.name[0].isalpha():
        yield Violation(
            "L11", "name", f"{spec.name!r} begins with a digit.", "Names of services begin with a letter.", "Rename it."
        )
    if spec.serving_tool is not ServingTool.KSERVE:
        return
    if len(spec.name) > KSERVE_NAME_MAX:
        yield Violation(
            "L11", "name", f"it has {len(spec.name)} letters.", f"KSERVE takes {KSERVE_NAME_MAX}.", "Shorten it."
        )
    elif len(spec.name) + len(facts.namespace) > KSERVE_URL_MAX:
        yield Violation(
            "L11",
            "name",
            f"with its namespace {facts.namespace!r} it has {len(spec.name) + len(facts.namespace)} letters.",
            f"KSERVE takes {KSERVE_URL_MAX} for both together, since its URL holds them in one label.",
            "Shorten one of them.",
        )


@rule("24", "resources", "scaling", "serving_tool")
def _scale_to_zero_needs_kserve(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Only KSERVE scales to zero."""
    able = facts.able(spec.serving_tool)
    to_zero = least_instances(spec.resources, spec.scaling) == 0
    if to_zero and able is not None and not able.scales_to_zero:
        field = "resources.instances" if spec.scaling is None else "scaling.min_instances"
        yield Violation(
            "24",
            field,
            f"0 instances were asked for on {spec.serving_tool}.",
            "Only KSERVE scales to zero.",
            "Give at least 1, or set serving_tool to KSERVE.",
        )


@rule("L12 L15 L19", "resources")
def _limits_cover_requests(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """No limit is under its request, and GPUs are limited to what is requested."""
    requests, given = spec.resources, spec.resources.limits
    for name, limit, request in (
        ("cores", given.cores, requests.requests.cores),
        ("memory_mb", given.memory_mb, requests.requests.memory_mb),
    ):
        if limit is not None and limit != -1 and limit < request:
            yield Violation(
                "L15",
                f"resources.limits.{name}",
                f"the limit {limit:g} is under the request {request:g}.",
                "A limit is at least what is requested.",
                "Raise it, leave it out, or set it to -1 for none.",
            )
    if given.gpus is not None:
        yield Violation(
            "L19",
            "resources.limits.gpus",
            f"the limit {given.gpus} is not the request {requests.requests.gpus}.",
            "GPUs are not shared: an instance gets what it requests, no more and no less.",
            "Leave it out, or request as many.",
        )
    memory, shared = requests.limit_memory_mb, requests.shared_memory_mb
    if memory is not None and shared is not None and shared > memory:
        yield Violation(
            "L12",
            "resources.shared_memory_mb",
            f"{shared} MB are more than the memory limit of {memory} MB.",
            "Shared memory counts as memory.",
            "Raise resources.limits.memory_mb.",
        )


@rule("L13", "scaling", "resources", "serving_tool")
def _scaling_fits(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Scaling has sensible bounds, and a metric that its tool can measure."""
    scaling = spec.scaling
    if scaling is None:
        return
    if scaling.max_instances < scaling.min_instances:
        yield Violation(
            "L13",
            "scaling.max_instances",
            f"at most {scaling.max_instances} and at least {scaling.min_instances} cannot both be.",
            "The most is not under the least.",
            "Raise max_instances.",
        )
    if spec.resources.instances not in (1, scaling.min_instances):
        yield Violation(
            "L13",
            "resources.instances",
            f"{spec.resources.instances} instances were asked for, and scaling from {scaling.min_instances}.",
            "With scaling, its bounds say how many there are.",
            "Leave instances out.",
        )
    able = facts.able(spec.serving_tool)
    if able is not None and able.scale_metrics and scaling.metric not in able.scale_metrics:
        yield Violation(
            "L13",
            "scaling.metric",
            f"{scaling.metric} cannot be measured on {spec.serving_tool}.",
            f"There it is {' or '.join(sorted(able.scale_metrics))}.",
            "Choose one of them, or set serving_tool to KSERVE.",
        )
    if scaling.min_instances == 0 and not scaling.metric.is_of_requests:
        yield Violation(
            "L13",
            "scaling.metric",
            f"no instance is started by {scaling.metric}: where none runs, there is none to measure.",
            "Scaling from zero counts requests.",
            "Set metric to CONCURRENCY or RPS, or min_instances to 1.",
        )
    given = [name for name in _OF_KNATIVE if getattr(scaling, name) is not None]
    if given and not scaling.metric.is_of_requests:
        yield Violation(
            "L13",
            f"scaling.{given[0]}",
            f"{' and '.join(given)} {'was' if len(given) == 1 else 'were'} given for scaling by {scaling.metric}.",
            "Only requests are averaged over windows of one's own, by KSERVE in Knative mode.",
            "Leave it out, or set metric to CONCURRENCY or RPS.",
        )
    if scaling.retention_s and scaling.min_instances:
        yield Violation(
            "L13",
            "scaling.retention_s",
            f"with at least {scaling.min_instances} instances there is no last one to keep.",
            "It is for scaling to zero.",
            "Leave it out.",
        )


@rule("L14", "smoke_test", "serving_tool")
def _requests_fit_in_a_pod(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Smoke requests fit into a pod's environment."""
    size = sum(len(request.model_dump_json()) for request in spec.smoke_test.requests)
    if spec.serving_tool is not ServingTool.LOCAL and size > _REQUESTS_MAX:
        yield Violation(
            "L14",
            "smoke_test.requests",
            f"together they have {size // 1024} KiB.",
            f"A pod is handed {_REQUESTS_MAX // 1024} KiB at most.",
            "Ask fewer or smaller ones.",
        )


@rule("L16 L17", "resources", "env_vars", "serving_tool")
def _kserve_can_do_that(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """KSERVE needs limits, and takes no PYTHONPATH.

    KServe fills each missing limit with one of its own, and takes no PYTHONPATH (`pkg/validation/env_policy.go`).

    https://github.com/kserve/kserve/blob/v0.20.0/pkg/apis/serving/v1beta1/predictor_custom.go
    """
    if spec.serving_tool is not ServingTool.KSERVE:
        return
    limits = spec.resources.limits
    for name in (name for name, limit in (("cores", limits.cores), ("memory_mb", limits.memory_mb)) if limit == -1):
        yield Violation(
            "L16",
            f"resources.limits.{name}",
            "no limit was asked for on KSERVE.",
            "KServe gives a container without a limit one of its own, which may be under the request.",
            "Give a limit that is never reached, or set serving_tool to KUBERNETES.",
        )
    if any(variable.name == "PYTHONPATH" for variable in spec.env_vars):
        yield Violation(
            "L17",
            "env_vars",
            "PYTHONPATH was given on KSERVE.",
            "KServe refuses a pod that sets it.",
            "Name what is imported among the further files, or install it in the environment.",
        )


@rule("L18", "rollout", "serving_tool", "scaling")
def _canary_needs_knative(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A canary share needs KSERVE in Knative mode.

    Only Knative routes by shares; in Standard mode KServe ignores the field without a word.

    https://github.com/kserve/kserve/issues/5335
    """
    if spec.rollout.canary_percent is None:
        return
    able = facts.able(spec.serving_tool)
    if able is None or (able.shares_requests and counts_requests(spec.resources, spec.scaling)):
        return
    where = "Standard mode" if able.shares_requests else str(spec.serving_tool)
    yield Violation(
        "L18",
        "rollout.canary_percent",
        f"a share of {spec.rollout.canary_percent} % was asked for in {where}.",
        "Only KSERVE in Knative mode, which scales by requests, shares them between two revisions.",
        "Leave it out, or set scaling.metric to CONCURRENCY or RPS on KSERVE.",
    )


# Of resources, scaling and variables, which every component has of its own.
COMPONENT_RULES: Final[tuple[Rule, ...]] = (
    _scale_to_zero_needs_kserve,
    _limits_cover_requests,
    _scaling_fits,
    _kserve_can_do_that,
)
CLUSTER_RULES: Final[tuple[Rule, ...]] = (
    _cluster_options_fit,
    _queue_is_chosen,
    _store_can_be_reached,
    _name_fits_a_service,
    *COMPONENT_RULES,
    _requests_fit_in_a_pod,
    _canary_needs_knative,
)
