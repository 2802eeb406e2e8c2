"""A script gets a secret as a variable; nothing that Moorage writes or says holds it."""

import secrets

import pytest

import moorage
from moorage.errors import InvalidSpec

SCRIPT = """
import os

class Predictor:
    def predict(self, inputs):
        return [len(os.environ["TOKEN"]) for _ in inputs]
"""
# Not written here: the model keeps a copy of the program that trained it, which is this one.
HELD = secrets.token_hex(8)
NAMED = {"TOKEN": {"secret": "hub", "key": "token"}}


@pytest.fixture
def model(trained):
    (trained.parent / "script.py").write_text(SCRIPT)
    return moorage.login().get_model_registry().python.create_model("secretive", input_example=[[1]]).save("trained")


def test_a_secret_reaches_the_script_and_nothing_else(model, tmp_path):
    folder = tmp_path / "home" / "secrets" / "hub"
    folder.mkdir(parents=True)
    (folder / "token").write_text(HELD + "\n")
    (folder / "token").chmod(0o600)
    deployment = model.deploy(script_file="script.py", env_vars=NAMED)
    assert deployment.predict(inputs=[[1]]) == {"predictions": [len(HELD)]}
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and HELD.encode() in path.read_bytes()]
    assert holding == [folder / "token"]
    assert HELD not in repr(deployment.specification) + deployment.read_logs()


def test_without_it_nothing_is_done(model, tmp_path):
    with pytest.raises(InvalidSpec, match=r"env_vars.TOKEN: Secret 'hub' has no key 'token' here"):
        model.deploy(script_file="script.py", env_vars=NAMED)
    assert moorage.login().get_model_serving().get_deployments() == []
    assert not (tmp_path / "home" / "local").exists()
