"""What is requested, what limits follow from it, and what scaling keeps to."""

import pytest
from pydantic import ValidationError

from moorage.components import InferenceBatcher
from moorage.resources import (
    Limits,
    Placement,
    PredictorResources,
    Requests,
    Resources,
    ScaleMetric,
    Scaling,
    Toleration,
)


def test_limits_are_hopsworks_own_where_none_are_named():
    assert (PredictorResources().limit_cores, PredictorResources().limit_memory_mb) == (2, 1024)


def test_no_derived_limit_is_under_its_request():
    resources = PredictorResources(requests=Requests(cores=4, memory_mb=4096))
    assert (resources.limit_cores, resources.limit_memory_mb) == (4, 4096)


def test_minus_one_is_no_limit():
    resources = PredictorResources(limits=Limits(cores=-1, memory_mb=-1))
    assert (resources.limit_cores, resources.limit_memory_mb) == (None, None)


@pytest.mark.parametrize(("metric", "target"), [("CPU", 80), ("MEMORY", 80), ("CONCURRENCY", 100), ("RPS", 200)])
def test_each_metric_has_a_target_of_its_own(metric, target):
    assert Scaling(metric=metric).wanted == target
    assert Scaling(metric=metric, target=7).wanted == 7


def test_only_requests_are_counted_by_requests():
    assert [metric for metric in ScaleMetric if metric.is_of_requests] == [ScaleMetric.CONCURRENCY, ScaleMetric.RPS]


@pytest.mark.parametrize("labels", [{"a b": "c"}, {"a": "b c"}, {"a": "-b"}, {"-a": "b"}, {"a": "x" * 64}])
def test_what_no_node_can_be_labelled_with_is_refused(labels):
    with pytest.raises(ValidationError, match="is no label that a node can have"):
        Placement(node_selector=labels)


def test_the_order_of_labels_means_nothing():
    some = Placement(node_selector={"b": "1", "a": "2"})
    assert some.model_dump_json() == Placement(node_selector={"a": "2", "b": "1"}).model_dump_json()


def test_a_taint_of_gpu_nodes_can_be_tolerated():
    assert Toleration(key="nvidia.com/gpu", effect="NoSchedule").value is None


def test_a_limit_of_gpus_that_is_the_request_is_as_if_it_were_not_said():
    assert PredictorResources.model_validate({"requests": {"gpus": 1}, "limits": {"gpus": 1}}).limits == Limits()
    assert PredictorResources.model_validate({"limits": {"gpus": 1}}).limits.gpus == 1


HOPSWORKS = {
    "instances and memory": (
        PredictorResources,
        {"num_instances": 2, "requests": {"cores": 1, "memory": 512, "gpus": 1}, "limits": {"memory": 1024, "gpus": 1}},
        PredictorResources(
            instances=2, requests=Requests(cores=1, memory_mb=512, gpus=1), limits=Limits(memory_mb=1024)
        ),
    ),
    "a batcher": (
        InferenceBatcher,
        {"enabled": True, "max_batch_size": 32, "max_latency": 5000, "timeout": 5},
        InferenceBatcher(enabled=True, max_batch_size=32, max_latency_ms=5000, timeout_s=5),
    ),
    "a metric in small letters": (
        Scaling,
        {"min_instances": 0, "max_instances": 2, "scale_metric": "rps", "scale_to_zero_retention_seconds": 30},
        Scaling(min_instances=0, max_instances=2, metric=ScaleMetric.RPS, retention_s=30),
    ),
    "windows": (
        Scaling,
        {"stable_window_seconds": 60, "panic_window_percentage": 10.0, "panic_threshold_percentage": 200.0},
        Scaling(stable_window_s=60, panic_window_percent=10, panic_threshold_percent=200),
    ),
}


def test_hopsworks_resources_do_for_requests_and_limits():
    half = Resources.model_validate({"cores": 0.5, "memory": 512})
    assert PredictorResources.model_validate(
        {"num_instances": 2, "requests": half, "limits": Resources(memory_mb=1024)}
    ) == PredictorResources(instances=2, requests=Requests(cores=0.5, memory_mb=512), limits=Limits(memory_mb=1024))


def test_a_value_is_printed_as_one_would_type_it():
    given = PredictorResources(instances=2, requests=Requests(cores=0.5))
    assert repr(given) == "PredictorResources(instances=2, requests=Requests(cores=0.5))"
    assert eval(repr(given)) == given  # noqa: S307 -- that is what it is for
    assert repr(PredictorResources()) == "PredictorResources()"


@pytest.mark.parametrize(("noun", "written", "meant"), HOPSWORKS.values(), ids=HOPSWORKS.keys())
def test_hopsworks_spellings_are_read(noun, written, meant):
    assert noun.model_validate(written) == meant


def test_two_names_of_one_field_are_refused():
    with pytest.raises(ValidationError, match="memory is another name of memory_mb: give one of them"):
        Requests.model_validate({"memory": 1, "memory_mb": 2})
