"""The samples of the guide "create a deployment", with `moorage` for `hopsworks`; and what notebooks do with one."""

import json
import os

import pytest

import moorage
from moorage.errors import CallerError, InvalidName, InvalidSpec, NotFound, ProvisionFailed
from tests.client.conftest import PREDICTOR

BROKEN = PREDICTOR.replace("return [self.text", "return [self.no_such_text")


@pytest.fixture
def project(trained):
    return moorage.login()


@pytest.fixture
def model(project):
    """A model whose name no deployment could have."""
    return project.get_model_registry().python.create_model("my_model", input_example=[[1]]).save("trained")


@pytest.fixture
def ms(project):
    return project.get_model_serving()


@pytest.fixture
def deployment(model):
    return model.deploy(script_file="predictor.py")


def test_option_a_deploys_in_one_line(project, model):
    deployment = project.get_model_registry().get_model("my_model", version=1).deploy(script_file="predictor.py")
    assert (deployment.name, deployment.is_running()) == ("mymodel", True)
    assert deployment.predict(inputs=[[1], [2]]) == {"predictions": ["petals", "petals"]}
    assert deployment.predict({"instances": [[1]]}) == {"predictions": ["petals"]}


def test_option_b_describes_a_predictor_first(ms, model):
    predictor = ms.create_predictor(model, model_server="PYTHON", serving_tool="LOCAL", script_file="predictor.py")
    deployment = ms.create_deployment(predictor, name="other")
    assert (ms.get_deployment("other"), deployment.is_created(), deployment.is_running()) == (None, False, False)
    deployment.save()
    assert deployment.get_state().status == "Running"
    assert predictor.deploy().name == "mymodel"
    assert [each.name for each in ms.get_deployments()] == ["mymodel", "other"]


def test_a_script_may_lie_among_the_projects_files(project, model):
    api = project.get_dataset_api()
    uploaded = api.upload("predictor.py", "Resources", overwrite=True)
    script = os.path.join("/Projects", project.name, uploaded)
    assert model.deploy(script_file=script).artifact_version == 1
    with pytest.raises(CallerError, match=r"'Resources/predictor.py' is in the project already"):
        api.upload("predictor.py")
    with pytest.raises(CallerError, match="Nothing can be put into 'Models'"):
        api.upload("predictor.py", "Models")
    with pytest.raises(NotFound, match=r"nothing to upload at 'nobody.py'"):
        api.upload("nobody.py")


def test_a_script_that_is_in_neither_place_breaks_a_rule(model):
    with pytest.raises(InvalidSpec, match=r"'/Projects/default/Resources/nobody.py' is not there"):
        model.deploy(script_file="/Projects/default/Resources/nobody.py")


def test_what_is_changed_is_saved_and_what_is_not_is_nothing_to_do(ms, deployment):
    again = ms.get_deployment("mymodel")
    again.save()
    assert len(deployment.history()) == 4
    again.set(env_vars={"THREADS": "2"}).save(reason="two threads")
    assert deployment.get_state().revision == 2
    assert deployment.history()[4].reason == "two threads"
    with pytest.raises(CallerError, match="keeps its name"):
        again.set(name="other")


def test_files_that_would_be_lost_by_naming_others_are_asked_for(ms, model, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    model.deploy(script_file="predictor.py", config_file="settings.json")
    again = ms.get_deployment("mymodel")
    with pytest.raises(CallerError, match=r"Artifact version 1 .* has config_file too.*Name config_file as well"):
        again.set(script_file="predictor.py")
    again.set(script_file="predictor.py", config_file="settings.json").save()
    assert again.get_state().revision == 1
    again.set(script_file="predictor.py", config_file=None).save()
    assert again.artifact_version == 2


def test_hopsworks_names_change_what_ours_do(deployment):
    scaling = {"min_instances": 1, "max_instances": 2, "scale_metric": "cpu"}
    changed = deployment.set(serving_tool="KSERVE", scaling_configuration=scaling)
    changed = changed.set(scaling_configuration={**scaling, "max_instances": 3})
    assert changed.specification.scaling.max_instances == 3


def test_what_cannot_be_proven_is_taken_back_and_what_was_live_serves_on(deployment, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    with pytest.raises(ProvisionFailed, match=r"PREDICT_ERROR at broken.py"):
        deployment.set(script_file="broken.py").save()
    assert deployment.predict(inputs=[[1]]) == {"predictions": ["petals"]}
    assert [entry.event for entry in deployment.history()][-2:] == ["FAILED", "RESTORED"]


def test_going_back_is_proven_too(deployment, tmp_path):
    (tmp_path / "new.py").write_text(PREDICTOR.replace("[self.text ", "[self.text.upper() "))
    deployment.set(script_file="new.py").save()
    assert deployment.predict(inputs=[[1]]) == {"predictions": ["PETALS"]}
    deployment.rollback(reason="too loud")
    assert deployment.predict(inputs=[[1]]) == {"predictions": ["petals"]}
    assert "back to revision 1; too loud" in {entry.reason for entry in deployment.history()}


def test_it_is_stopped_started_and_deleted(ms, deployment):
    with pytest.raises(CallerError, match=r"is Running\. Only what is stopped is deleted without force"):
        deployment.delete()
    deployment.restart()
    assert deployment.is_running()
    deployment.stop()
    assert deployment.is_stopped()
    assert deployment.get_inference_url() is None
    deployment.delete()
    assert ms.get_deployment("mymodel") is None


def events(deployment):
    return [str(entry.event) for entry in deployment.history()]


def test_without_a_start_it_is_made_and_a_start_proves_it(ms, model):
    deployment = model.deploy(script_file="predictor.py", start=False)
    assert (deployment.get_state().status, deployment.is_created(), deployment.is_stopped()) == ("Created", True, True)
    assert [each.name for each in ms.get_deployments(status="created")] == ["mymodel"]
    deployment.save(start=False)
    deployment.stop()
    assert events(deployment) == ["CREATED"]
    with pytest.raises(CallerError, match="mymodel"):
        model.delete()
    ms.get_deployment("mymodel").start()
    assert deployment.predict(inputs=[[1]]) == {"predictions": ["petals"]}
    assert events(deployment) == ["CREATED", "PROPOSED", "APPLIED", "PROVEN", "PROMOTED"]
    with pytest.raises(CallerError, match=r"live or in flight\. Only a new one is made without a start"):
        deployment.set(env_vars={"A": "1"}).save(start=False)


def test_what_was_made_may_be_changed_before_its_start_or_go_again(ms, model):
    deployment = model.deploy(script_file="predictor.py", start=False)
    deployment.set(env_vars={"A": "1"}).save(start=False)
    assert events(deployment) == ["CREATED", "CREATED"]
    deployment.save()
    assert deployment.get_state().revision == 2
    other = model.deploy("other", script_file="predictor.py", start=False)
    other.delete()
    assert ms.get_deployment("other") is None


def test_a_start_of_what_cannot_be_proven_fails_and_can_be_mended(model, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    deployment = model.deploy(script_file="broken.py", start=False)
    with pytest.raises(ProvisionFailed, match="PREDICT_ERROR"):
        deployment.start()
    assert events(deployment)[-2:] == ["FAILED", "RESTORED"]
    deployment.set(script_file="predictor.py").save()
    assert deployment.is_running()


def test_traps_2_and_16_deployments_are_found_by_state_in_any_case_and_by_model(ms, model, deployment):
    assert [each.name for each in ms.get_deployments(status="running")] == ["mymodel"]
    assert ms.get_deployments(status="Stopped") == []
    assert [each.name for each in ms.get_deployments(model="my_model")] == ["mymodel"]
    assert [each.name for each in ms.get_deployments(model=model)] == ["mymodel"]
    assert ms.get_deployments(model="other") == []
    with pytest.raises(CallerError, match="There is no state 'sleeping'"):
        ms.get_deployments(status="sleeping")


@pytest.mark.parametrize("patience", [0, None])
def test_trap_4_a_start_that_is_not_waited_for_returns(deployment, patience):
    deployment.stop()
    deployment.start(await_running=patience)
    deployment.start()
    assert deployment.is_running()


def test_trap_1_a_model_server_is_taken_and_held_against_the_framework(ms, model):
    predictor = ms.create_predictor(model, model_server="vllm", script_file="predictor.py")
    with pytest.raises(InvalidSpec, match="VLLM cannot serve a PYTHON model"):
        predictor.deploy()


def test_an_option_that_there_is_not_is_told_with_the_one_that_was_meant(ms, model):
    with pytest.raises(InvalidSpec, match=r"scriptfile: is not known\. Did you mean script_file\?"):
        ms.create_predictor(model, scriptfile="predictor.py")


def test_hopsworks_own_values_are_taken(ms, model):
    predictor = ms.create_predictor(
        model,
        serving_tool="kserve",
        artifact_version="CREATE",
        resources={"num_instances": 2, "requests": {"cores": 1, "memory": 512, "gpus": 0}},
        scaling_configuration={"min_instances": 2, "max_instances": 4, "scale_metric": "cpu"},
    )
    spec = predictor.specification
    assert (spec.resources.instances, spec.resources.requests.memory_mb, spec.artifact_version) == (2, 512, None)
    assert spec.scaling is not None
    assert spec.scaling.max_instances == 4


def test_hopsworks_objects_are_taken(ms, model):
    predictor = ms.create_predictor(
        model,
        script_file="predictor.py",
        inference_batcher=moorage.InferenceBatcher(enabled=True, max_batch_size=8),
        resources=moorage.PredictorResources(instances=1, requests=moorage.Resources()),
    )
    assert predictor.specification.inference_batcher.max_batch_size == 8
    assert predictor.deploy().predict(inputs=[[1], [2]]) == {"predictions": ["petals", "petals"]}


def test_a_script_in_a_model_server_finds_its_own_deployment(ms, deployment, monkeypatch):
    with pytest.raises(CallerError, match="No deployment was named"):
        ms.get_deployment()
    monkeypatch.setenv("DEPLOYMENT_NAME", "mymodel")
    assert ms.get_deployment().name == ms.get_deployment_by_id("mymodel").name == "mymodel"


def test_what_it_writes_is_printed_read_and_followed(deployment, capsys):
    deployment.get_logs(tail=5)
    printed = capsys.readouterr().out
    assert printed.strip()
    assert deployment.read_logs(tail=5).splitlines()[-1] in printed
    deployment.stop()
    assert list(deployment.tail_logs(interval=0.1))
    with pytest.raises(CallerError, match="no component 'transformer'"):
        deployment.get_logs("transformer")


def test_it_describes_itself_as_sorted_json(deployment, capsys):
    deployment.describe()
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "mymodel"
    assert list(told) == sorted(told)


def test_a_predictor_is_required(ms, model):
    with pytest.raises(CallerError, match="A predictor is required, not Model"):
        ms.create_deployment(model)


def test_a_model_that_is_not_saved_cannot_be_deployed(project):
    with pytest.raises(CallerError, match="is not saved yet"):
        project.get_model_registry().python.create_model("new").deploy(script_file="predictor.py")


def test_options_are_attributes_and_saved_when_they_are_all_there(deployment, trained):
    deployment.env_vars = {"THREADS": "2"}
    deployment.description = "answers petals"
    deployment.inference_batcher = moorage.InferenceBatcher(enabled=True)
    assert deployment.version == 1
    deployment.save(reason="by attributes")
    assert (deployment.version, deployment.env_vars[0].value) == (2, "2")
    assert deployment.inference_batcher == moorage.InferenceBatcher(enabled=True)
    deployment.inference_batcher = None
    assert deployment.inference_batcher.enabled is False
    (trained / "model.txt").write_text("leaves")
    moorage.login().get_model_registry().python.create_model("my_model", input_example=[[1]]).save(trained)
    deployment.model_version = 2
    deployment.save()
    assert deployment.predict(inputs=[[1]]) == {"predictions": ["leaves"]}


def test_what_cannot_be_is_refused_where_it_is_written(deployment):
    with pytest.raises(InvalidSpec, match="serving_tool: one of"):
        deployment.serving_tool = "MARS"
    with pytest.raises(AttributeError):
        deployment.name = "other"
    assert deployment.serving_tool == "LOCAL"


def test_what_is_known_of_a_deployment(ms, model, deployment, tmp_path):
    assert (deployment.requested_instances, deployment.model_server, deployment.has_model) == (1, "PYTHON", True)
    assert deployment.get_model().version == 1
    assert deployment.created_at.startswith("20")
    assert "@" in deployment.creator
    assert deployment.project_namespace == "default"
    assert deployment.get_openai_url() is None
    assert deployment.artifact_files_path == "/Projects/default/Models/my_model/1/Artifacts/1"
    folder = deployment.download_artifact_files()
    assert os.listdir(folder) == ["predictor.py"]
    assert deployment.download_artifact_files(tmp_path / "mine") == str(tmp_path / "mine")
    new = ms.create_deployment(ms.create_predictor(model, script_file="predictor.py"), name="new")
    assert (new.version, new.created_at, new.creator, new.artifact_files_path) == (None, None, None, None)
    with pytest.raises(NotFound, match="no artifact files that are live"):
        new.download_artifact_files()


def test_a_project_may_be_in_another_store(tmp_path, model):
    elsewhere = moorage.login("other", store=(tmp_path / "elsewhere").as_uri())
    assert elsewhere.get_model_registry().get_models() == []
    with pytest.raises(InvalidName, match="ftp"):
        moorage.login(store="ftp://nowhere").get_model_registry().get_models()


def test_its_condition_tells_how_far_it_has_come(ms, model, deployment, trained):
    assert str(deployment.get_state().condition.type) == "READY"
    deployment.stop()
    assert deployment.get_state().condition.type == "STOPPED"
    (trained.parent / "broken.py").write_text(BROKEN)
    with pytest.raises(ProvisionFailed):
        model.deploy("broken", script_file="broken.py", rollout={"on_failure": "KEEP"})
    failed = ms.get_deployment("broken").get_state()
    assert (failed.status, failed.condition.type, failed.condition.status) == ("Failed", "STARTED", False)
    assert "no_such_text" in failed.condition.reason


def test_what_was_never_proven_is_found_mended_and_saved(ms, model, trained):
    (trained.parent / "broken.py").write_text(BROKEN)
    with pytest.raises(ProvisionFailed):
        model.deploy(script_file="broken.py")
    [failed] = ms.get_deployments(model)
    assert "no_such_text" in failed.read_logs()
    failed.script_file = "predictor.py"
    failed.save()
    assert failed.predict(inputs=[[1]]) == {"predictions": ["petals"]}


def test_a_transformer_is_described_and_only_kserve_takes_it(ms, model, deployment):
    transformer = ms.create_transformer("transformer.py", resources={"num_instances": 2}, env_vars={"A": "1"})
    assert transformer.resources == moorage.TransformerResources(instances=2)
    predictor = ms.create_predictor(model, script_file="predictor.py", transformer=transformer)
    assert (predictor.transformer, predictor.requested_instances) == (transformer, 3)
    with pytest.raises(InvalidSpec, match="transformer: a transformer was given for LOCAL"):
        predictor.deploy()
    with pytest.raises(CallerError, match=r"has no component 'transformer'\. Components: predictor"):
        deployment.get_logs("transformer")
    with pytest.raises(InvalidSpec, match=r"transformer.resources.instances: "):
        ms.create_transformer("transformer.py", resources={"instances": -1})
