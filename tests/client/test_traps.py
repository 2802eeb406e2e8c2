"""Traps of Hopsworks' client that notebooks ran into, each by the number that our notes give it: none is one here.

1, 2, 4 and 16 stand in test_model_serving.py, 9 in tests/test_rules.py, 14 in tests/cluster/test_ingress.py, 19 in
tests/inference/test_tensors.py.
"""

import pytest

import moorage
from moorage.errors import InvalidSpec, NotReadyInTime

SLOW = """
import time

class Predictor:
    def __init__(self):
        time.sleep(3)

    def predict(self, inputs):
        return inputs
"""


@pytest.fixture
def project(trained):
    return moorage.login()


@pytest.fixture
def model(project):
    return project.get_model_registry().python.create_model("petals", input_example=[[1]]).save("trained")


@pytest.fixture
def ms(project):
    return project.get_model_serving()


def test_trap_5_what_takes_too_long_is_told_as_the_docstring_says(model, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    deployment = model.deploy(script_file="slow.py")
    deployment.stop()
    with pytest.raises(NotReadyInTime):
        deployment.start(await_running=0.2)


def test_trap_6_what_is_written_is_what_is_read(model, tmp_path, capsys):
    deployment = model.deploy(script_file="predictor.py")
    resources = moorage.PredictorResources(requests=moorage.Requests(cores=0.5))
    deployment.resources = resources
    assert deployment.resources == resources
    assert deployment.artifact_files_path is not None
    deployment.describe()
    assert '"cores": 0.5' in capsys.readouterr().out


def test_trap_7_a_torch_model_is_served_as_one(project, ms):
    torch = project.get_model_registry().torch.create_model("net", input_example=[[1]]).save("trained")
    torch.deploy(script_file="predictor.py")
    assert ms.get_deployment("net").get_model().framework == "TORCH"
    assert ms.get_deployment("net").model_server == "PYTHON"


@pytest.mark.parametrize("framework", ["tensorflow", "torch", "python"])
def test_trap_8_a_predictor_without_a_script_is_described_and_refused_by_rules(project, ms, framework):
    registry = project.get_model_registry()
    predictor = ms.create_predictor(getattr(registry, framework).create_model("net").save("trained"))
    assert predictor.script_file is None
    with pytest.raises(InvalidSpec, match=r"no predictor script|no folder `variables`"):
        predictor.deploy()


def test_trap_13_names_that_differ_only_in_case_are_two(model, ms):
    upper = model.deploy("Petals", script_file="predictor.py")
    lower = model.deploy("petals", script_file="predictor.py")
    assert (upper.is_running(), lower.is_running()) == (True, True)
    assert [each.name for each in ms.get_deployments()] == ["Petals", "petals"]
    assert model.deploy("9lives", script_file="predictor.py").predict(inputs=[[1]]) == {"predictions": ["petals"]}


@pytest.mark.parametrize(("requests", "limits"), [({"cores": 4}, (4, 1024)), ({"memory": 4096, "gpus": 1}, (2, 4096))])
def test_trap_15_no_limit_that_follows_is_under_its_request(ms, model, requests, limits):
    resources = ms.create_predictor(model, resources={"requests": requests}).resources
    assert (resources.limit_cores, resources.limit_memory_mb) == limits


def test_trap_17_resources_without_instances_are_of_one(ms, model):
    assert ms.create_predictor(model, resources={"requests": {"cores": 1}}).requested_instances == 1


def test_trap_18_files_stay_where_they_are_and_nothing_else_is_said(project, trained, capsys):
    project.get_model_registry().python.create_model("kept").save("trained", keep_original_files=False)
    assert (trained / "model.txt").read_text() == "petals"
    assert "mov" not in capsys.readouterr().out.lower()


def test_trap_3_a_transformers_scaling_is_part_of_what_is_deployed(model, ms):
    scaling = moorage.TransformerScalingConfig(min_instances=2, max_instances=5)
    transformer = ms.create_transformer("transformer.py", scaling_configuration=scaling)
    predictor = ms.create_predictor(model, script_file="predictor.py", serving_tool="KSERVE", transformer=transformer)
    assert predictor.specification.model_dump(mode="json")["transformer"]["scaling"]["min_instances"] == 2
    assert predictor.requested_instances == 3


def test_trap_6_and_a_topics_partitions_are_what_is_read(ms, model):
    topic = {"name": "CREATE", "num_partitions": 3}
    predictor = ms.create_predictor(model, script_file="predictor.py", inference_logger={"kafka_topic": topic})
    assert predictor.inference_logger.topic.partitions == 3


def test_trap_12_predictions_are_called_so(ms, model):
    assert moorage.InferenceLogger(mode="predictions").mode == "PREDICTIONS"
    with pytest.raises(
        InvalidSpec, match=r"inference_logger.mode: one of .*'PREDICTIONS' is expected. Found: 'MODEL_OUTPUTS'"
    ):
        ms.create_predictor(model, script_file="predictor.py", inference_logger="MODEL_OUTPUTS")
