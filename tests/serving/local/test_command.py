"""From a revision to what the supervisor runs."""

from pathlib import Path

import pytest

from moorage.deployment import ResolvedArtifact, Revision
from moorage.predictor import EnvVar, LocalOptions
from moorage.serving.local.command import inherited, wanted_state
from moorage.serving.local.folder import DeploymentFolder
from tests.values import a_revision

FOLDER = DeploymentFolder(Path("/home/local/default/iris"))


def wanted(number: int = 1, **changes: object):
    return wanted_state(
        a_revision(number, **changes),
        FOLDER,
        store_url="file:///srv/store",
        secrets=Path("/home/secrets"),
        logging={"MOORAGE_KAFKA": "broker:9092"},
        interpreter=Path("/envs/mine/bin/python"),
        token="t0",
    )


def test_the_runtime_runs_in_the_environments_python():
    assert wanted().argv == ("/envs/mine/bin/python", "-m", "moorage.runtime")


def test_what_is_wanted_is_to_run_this_revision():
    state = wanted(3)
    assert (state.token, state.run, state.revision) == ("t0", True, 3)
    assert Revision.model_validate_json(state.revision_json) == a_revision(3)


def test_the_address_is_the_specifications():
    state = wanted(local=LocalOptions(host="::1", port=8080))
    assert (state.host, state.port) == ("::1", 8080)


def test_without_a_port_a_free_one_is_left_to_the_supervisor():
    assert wanted().port is None


def test_files_lie_in_folders_named_by_their_digests():
    state = wanted()
    assert state.keep == (f"{FOLDER.files}/models/aa", f"{FOLDER.files}/artifacts/bb")


def test_the_script_finds_the_folders_that_are_kept():
    variables = dict(wanted().variables or {})
    assert (variables["MODEL_FILES_PATH"], variables["ARTIFACT_FILES_PATH"]) == wanted().keep


def test_artifact_version_0_has_a_folder_of_its_own():
    assert wanted(artifact=ResolvedArtifact(version=0)).keep[1] == f"{FOLDER.files}/artifacts/none"


def test_the_runtime_is_told_where_to_read_and_where_to_report():
    variables = dict(wanted(3).variables or {})
    assert variables["MOORAGE_STORE"] == "file:///srv/store"
    assert variables["MOORAGE_REVISION_FILE"] == str(FOLDER.revision_file(3, wanted(3).token))
    assert variables["MOORAGE_REPORT_FILE"] == str(FOLDER.report_file(3, wanted(3).token))


def test_the_users_variables_are_handed_on():
    assert dict(wanted(env_vars=(EnvVar(name="THREADS", value="4"),)).variables or {})["THREADS"] == "4"


def test_nobody_replaces_what_the_runtime_reads():
    variables = dict(wanted(env_vars=(EnvVar(name="MOORAGE_STORE", value="x"),)).variables or {})
    assert variables["MOORAGE_STORE"] == "file:///srv/store"


INHERITED = [
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_DATA_HOME", "PYTHONPATH", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "SSL_CERT_FILE"),
    *("HTTP_PROXY", "https_proxy", "NO_PROXY"),
]
LEFT_BEHIND = [
    *("MY_SECRET", "PREFECT_API_KEY", "MOORAGE_HOME", "MODEL_FILES_PATH", "VIRTUAL_ENV", "LD_PRELOAD", "PYTHONHOME"),
    *("MY_PATH", "PATHS", "XAWS_SECRET", "path", ""),
]


@pytest.mark.parametrize("name", INHERITED)
def test_what_any_program_needs_is_inherited(name):
    assert inherited({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_everything_else_stays_behind(name):
    assert inherited({name: "x"}) == {}


def test_a_revision_that_logs_its_exchanges_is_told_where_to():
    logs = wanted(inference_logger={"mode": "ALL"}).variables or {}
    assert logs["MOORAGE_KAFKA"] == "broker:9092"
    assert "MOORAGE_KAFKA" not in (wanted().variables or {})
