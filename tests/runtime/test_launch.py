from __future__ import annotations

import socket
from pathlib import Path

import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel, Revision
from moorage.errors import CallerError, PredictorScriptError
from moorage.predictor import Framework
from moorage.runtime.launch import Launch


def revision(script_file: str | None = "predictor.py") -> Revision:
    return Revision(
        project="demo",
        deployment="iris",
        number=3,
        model=ResolvedModel(name="iris", version=1, digest="sha256:aa", framework="PYTHON"),
        artifact=ResolvedArtifact(version=1, script_file=script_file),
        model_server="PYTHON",
        serving_tool="LOCAL",
        environment="pandas-inference-pipeline",
    )


def environ(folder: Path, **changed: str) -> dict[str, str]:
    (folder / "revision.json").write_text(revision().model_dump_json())
    return {
        "MOORAGE_REVISION_FILE": str(folder / "revision.json"),
        "MOORAGE_STORE": "file:///store",
        "MOORAGE_REPORT_FILE": str(folder / "report.json"),
        "MOORAGE_LISTEN_FD": "7",
        "MODEL_FILES_PATH": "/model",
        "ARTIFACT_FILES_PATH": "/artifact",
    } | changed


def test_the_environment_describes_a_launch(tmp_path):
    launch = Launch.from_env(environ(tmp_path))
    assert (launch.revision, launch.listen_fd, launch.store_url) == (revision(), 7, "file:///store")
    assert launch.script() == Path("/artifact/predictor.py")


def test_all_missing_variables_are_named_at_once():
    with pytest.raises(CallerError, match=r"MOORAGE_REVISION_FILE.*MOORAGE_LISTEN_FD.*ARTIFACT_FILES_PATH.*by hand"):
        Launch.from_env({})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"MOORAGE_LISTEN_FD": "seven"}, "MOORAGE_LISTEN_FD is 'seven'"),
        ({"MOORAGE_REVISION_FILE": "/nope.json"}, "'/nope.json', which cannot be read"),
    ],
)
def test_a_variable_that_holds_something_else_is_named(tmp_path, changed, said):
    with pytest.raises(CallerError, match=said):
        Launch.from_env(environ(tmp_path, **changed))


def test_a_file_descriptor_that_is_no_socket_is_refused(tmp_path):
    with (tmp_path / "plain").open("w") as plain:
        launch = Launch.from_env(environ(tmp_path, MOORAGE_LISTEN_FD=str(plain.fileno())))
        with pytest.raises(CallerError, match="no open socket"):
            launch.listener()


def test_children_of_the_script_do_not_inherit_the_socket(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        launch = Launch.from_env(environ(tmp_path, MOORAGE_LISTEN_FD=str(listener.fileno())))
        inherited = launch.listener()
        assert not inherited.get_inheritable()
        inherited.detach()


def pod_environ(port: int) -> dict[str, str]:
    return {
        "MOORAGE_REVISION": revision().model_dump_json(),
        "MOORAGE_REPORT_FILE": "/dev/termination-log",
        "MOORAGE_LISTEN_PORT": str(port),
        "MODEL_FILES_PATH": "/mnt/models/files",
        "ARTIFACT_FILES_PATH": "/mnt/models/artifact",
    }


def test_in_a_pod_the_revision_comes_as_text_and_the_files_are_there_already():
    launch = Launch.from_env(pod_environ(8080))
    assert (launch.revision, launch.store_url) == (revision(), "")
    assert (launch.listen_fd, launch.listen_port) == (None, 8080)


def test_a_port_refuses_callers_until_somebody_listens_on_it(tmp_path):
    launch = Launch.from_env(pod_environ(0) | {"MOORAGE_LISTEN_PORT": "0"})
    with launch.listener() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        listener.listen()
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("", 0)) as taken:
        launch = Launch.from_env(pod_environ(taken.getsockname()[1]))
        with pytest.raises(CallerError, match=r"Port \d+ cannot be listened on"):
            launch.listener()


def test_a_revision_that_is_none_is_refused_without_a_file():
    with pytest.raises(CallerError, match="MOORAGE_REVISION cannot be read"):
        Launch.from_env(pod_environ(8080) | {"MOORAGE_REVISION": "{}"})


def test_a_scikit_learn_model_without_a_script_is_loaded_by_ours():
    plain = revision(script_file=None)
    model = plain.model.model_copy(update={"framework": Framework.SKLEARN})
    revised = plain.model_copy(update={"model": model}).model_dump_json()
    script = Launch.from_env(pod_environ(8080) | {"MOORAGE_REVISION": revised}).script()
    assert script.name == "sklearn_predictor.py"
    assert script.is_file()


def test_a_revision_without_a_script_is_refused(tmp_path):
    (tmp_path / "bare.json").write_text(revision(None).model_dump_json())
    launch = Launch.from_env(environ(tmp_path, MOORAGE_REVISION_FILE=str(tmp_path / "bare.json")))
    with pytest.raises(PredictorScriptError, match="Set script_file"):
        launch.script()
