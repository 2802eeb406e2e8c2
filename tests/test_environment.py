"""What a predictor script finds in its environment."""

from moorage.deployment import ResolvedArtifact
from moorage.environment import BUILT_IN, script_variables
from moorage.predictor import EnvVar
from tests.values import a_revision

WITH_CONFIG = ResolvedArtifact(version=3, digest="sha256:bb", script_file="predictor.py", config_file="config.yaml")


def variables(**changes):
    return script_variables(a_revision(**changes), model_files="/files/model", artifact_files="/files/artifact")


def test_a_script_finds_the_seven_names():
    assert variables(artifact=WITH_CONFIG) == {
        "MODEL_FILES_PATH": "/files/model",
        "ARTIFACT_FILES_PATH": "/files/artifact",
        "CONFIG_FILE_PATH": "/files/artifact/config.yaml",
        "DEPLOYMENT_NAME": "iris",
        "MODEL_NAME": "iris_classifier",
        "MODEL_VERSION": "1",
        "ARTIFACT_VERSION": "3",
    }


def test_just_these_names_are_refused_to_users():
    assert variables(artifact=WITH_CONFIG).keys() == BUILT_IN


def test_without_a_configuration_file_there_is_no_path_to_one():
    assert variables().keys() == BUILT_IN - {"CONFIG_FILE_PATH"}


def test_the_users_variables_are_there_too():
    assert variables(env_vars=(EnvVar(name="THREADS", value="4"),))["THREADS"] == "4"


def test_nobody_replaces_a_built_in_variable():
    assert variables(env_vars=(EnvVar(name="MODEL_FILES_PATH", value="/mine"),))["MODEL_FILES_PATH"] == "/files/model"
