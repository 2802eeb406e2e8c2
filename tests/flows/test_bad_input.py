"""What people get wrong, through the whole flow: a clear error, and nothing left half done."""

import os
import socket
import subprocess

import pytest

from flows.deploy_model import deploy_model
from moorage import lifecycle
from moorage.errors import InvalidSpec, MoorageError, ProvisionFailed, StoreRefused
from moorage.predictor import ModelSource
from moorage.startup import Cause

pytestmark = pytest.mark.usefixtures("prefect_server")

OK = "    def predict(self, inputs):\n        return inputs\n"

UNLOADABLE = {
    "a syntax error": ("class Predictor\n", "predictor.py:1: SyntaxError"),
    "no class": ("def predict(inputs): ...\n", "has no class Predictor"),
    "no predict": ("class Predictor:\n    x = 1\n", "no method predict"),
}
UNPROVABLE = {
    "init raises": ("class Predictor:\n    def __init__(self):\n        {}['a']\n" + OK, Cause.SCRIPT_ERROR, 3),
    "sys.exit": ("import sys\nsys.exit(3)\nclass Predictor:\n" + OK, Cause.SCRIPT_EXITED, 2),
    "missing package": ("import not_installed_anywhere\nclass Predictor:\n" + OK, Cause.PACKAGE_MISSING, 1),
    "predict raises": ("class Predictor:\n    def predict(self, inputs):\n        1 / 0\n", Cause.PREDICT_ERROR, 3),
    "os._exit": ("import os\nos._exit(9)\nclass Predictor:\n" + OK, Cause.CRASHED, None),
}


def stored(site):
    return [path for path in site.settings.home.glob("store/**/*") if path.is_file()]


@pytest.mark.parametrize(("script", "message"), UNLOADABLE.values(), ids=UNLOADABLE.keys())
def test_a_script_that_cannot_be_loaded_is_refused_before_anything_is_stored(site, model, write_spec, script, message):
    with pytest.raises(InvalidSpec, match=message):
        deploy_model(write_spec(script), model_files=model)
    assert stored(site) == []


@pytest.mark.parametrize(("script", "cause", "line"), UNPROVABLE.values(), ids=UNPROVABLE.keys())
def test_a_script_that_cannot_be_proven_is_taken_back(site, model, write_spec, script, cause, line):
    with pytest.raises(ProvisionFailed) as failure:
        deploy_model(write_spec(script), model_files=model)
    assert (failure.value.verdict.cause, failure.value.verdict.line) == (cause, line)
    lifecycle.stop(site, "double")
    assert lifecycle.view(site, "double").seen.processes == ()


def test_a_script_that_is_not_there_is_refused(site, model, write_spec):
    with pytest.raises(InvalidSpec, match=r"'nowhere\.py' is not there"):
        deploy_model(write_spec(script_file="nowhere.py"), model_files=model)
    assert stored(site) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"path": "/no/such/folder"}, "/no/such/folder"),
        ({"path": "EMPTY"}, "holds no file"),
        ({"metrics": {"auc": float("nan")}}, "auc"),
        ({"input_example": {1, 2}}, "JSON"),
    ],
    ids=["missing model folder", "empty model folder", "metric that is no number", "input example that is no JSON"],
)
def test_model_files_that_cannot_be_registered_are_refused(site, model, write_spec, tmp_path, source, message):
    (tmp_path / "empty").mkdir()
    bad = ModelSource(**{**model.model_dump(), **source})
    if bad.path == "EMPTY":
        bad = bad.model_copy(update={"path": str(tmp_path / "empty")})
    with pytest.raises(InvalidSpec, match=message):
        deploy_model(write_spec(), model_files=bad)
    assert stored(site) == []


def test_a_port_in_use_is_told_before_anything_is_proposed(site, model, write_spec):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = write_spec(local={"port": taken.getsockname()[1]})
        with pytest.raises(ProvisionFailed, match="PORT_IN_USE") as failure:
            deploy_model(spec, model_files=model)
    assert "local.port" in failure.value.verdict.mend
    assert lifecycle.deployments(site) == []


def test_a_model_that_was_never_registered_is_told(site, write_spec):
    with pytest.raises(InvalidSpec, match=r"model: .*'double'"):
        deploy_model(write_spec())


def test_a_full_disk_is_told_and_what_fits_goes_online_later(site, model, write_spec, tmp_path):
    home = site.settings.home
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", home], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        (tmp_path / "model" / "weights").write_bytes(os.urandom(3_000_000))
        with pytest.raises(MoorageError, match="disk full") as failure:
            deploy_model(write_spec(), model_files=model)
        assert isinstance(failure.value, StoreRefused)
        assert site.registry.models() == []
        (tmp_path / "model" / "weights").unlink()
        deploy_model(write_spec(), model_files=model)
        assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]
        lifecycle.delete(site, "double")
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
