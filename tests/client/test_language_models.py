"""Language models and TensorFlow's through the client, on this machine; programs stand in for their servers."""

import json
import os
from pathlib import Path

import httpx
import pytest

import moorage
from moorage.errors import CallerError, InvalidSpec, ProvisionFailed
from moorage.site import Site
from tests.cli.terminal import moorage as typed

STAND_INS = Path(__file__).parents[1] / "stand_ins"


@pytest.fixture(autouse=True)
def on_path(monkeypatch):
    monkeypatch.setenv("PATH", f"{STAND_INS}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def words(trained):
    """A model that says again what it is asked, with a word before it."""

    def write(hello="Aye,"):
        (trained / "words.json").write_text(json.dumps({"hello": hello}))
        (trained.parent / "vllm.yaml").write_text("max-model-len: 256\n")
        return trained

    return write


@pytest.fixture
def llm(words):
    return moorage.login().get_model_registry().llm.create_model("roses").save(str(words()))


def ask(deployment, prompt):
    answer = httpx.post(
        f"{deployment.get_openai_url()}/completions", json={"model": deployment.name, "prompt": prompt}, trust_env=False
    )
    return answer.json()["choices"][0]["text"], answer.headers["moorage-revision"]


def test_a_language_model_goes_online_and_is_asked_by_openais_api(llm):
    deployment = llm.deploy(config_file="vllm.yaml")
    assert (deployment.model_server, deployment.environment) == ("VLLM", None)
    assert deployment.get_openai_url() == f"{deployment.get_url()}/v1"
    assert deployment.get_inference_url() is None
    assert ask(deployment, "ships") == ("Aye, ships", "1")
    with pytest.raises(CallerError, match=r"get_openai_url\(\)"):
        deployment.predict(inputs=[[1]])
    assert "loading with" in deployment.read_logs()
    assert f"{deployment.get_url()}/v1/chat/completions" in typed("deployment", "list")
    assert f"# ask it: {deployment.get_url()}/v1/chat/completions" in typed("deployment", "show", "roses")


def test_one_that_cannot_be_started_is_taken_back_and_the_good_one_serves_on(llm, words):
    deployment = llm.deploy(config_file="vllm.yaml")
    Path("vllm.yaml").write_text("max-model-length: 256\n")
    with pytest.raises(ProvisionFailed, match=r"vLLM ended with exit code 2: .*unrecognized arguments"):
        llm.deploy(config_file="vllm.yaml")
    assert ask(deployment, "ships") == ("Aye, ships", "1")


def test_another_version_takes_over(llm, words):
    deployment = llm.deploy(config_file="vllm.yaml")
    newer = moorage.login().get_model_registry().llm.create_model("roses").save(str(words("No,")))
    requests = [{"inputs": "ships", "expect": "No, ships"}]
    newer.deploy(config_file="vllm.yaml", smoke_test={"requests": requests})
    assert ask(deployment, "ships") == ("No, ships", "2")


def test_its_input_example_is_what_it_is_asked_first(words):
    registry = moorage.login().get_model_registry()
    chat = [{"role": "user", "content": "Hello"}]
    model = registry.llm.create_model("chats", input_example=chat).save(str(words()))
    model.deploy(config_file="vllm.yaml")
    live = Site.from_env().ledger("chats").state().live
    assert live is not None
    assert [(request.inputs, request.data) for request in live.smoke_requests] == [(chat, None)]
    assert "chats unchanged (revision 1 is live)" in typed("deployment", "plan", "-f", declared("chats"))


def declared(name):
    Path(f"{name}.yaml").write_text(f"name: {name}\nmodel: {{name: {name}}}\nconfig_file: vllm.yaml\n")
    return f"{name}.yaml"


def test_trap_10_it_may_have_a_script_and_has_no_transformer(llm):
    Path("script.py").write_text("from vllm import Predictor\n")
    assert llm.deploy(script_file="script.py", start=False).script_file
    with pytest.raises(InvalidSpec, match="transformer: it was given for a model that vLLM serves"):
        llm.deploy("carried", script_file="script.py", serving_tool="KSERVE", transformer={"script_file": "t.py"})


def test_what_vllm_could_not_be_started_with_is_refused_before_anything_happens(llm):
    Path("vllm.yaml").write_text("port: 80\n")
    with pytest.raises(InvalidSpec, match=r"config_file: vllm\.yaml sets port"):
        llm.deploy(config_file="vllm.yaml")
    Path("script.py").write_text("class Predictor:\n    def predict(self, inputs): ...\n")
    with pytest.raises(InvalidSpec, match=r"script_file: script\.py: Predictor\(\) has no vllm_engine"):
        llm.deploy(script_file="script.py")
    assert moorage.login().get_model_serving().get_deployments() == []


def test_a_tensorflow_model_goes_online(trained):
    (trained / "saved_model.pb").write_text("2")
    (trained / "variables").mkdir()
    (trained / "variables" / "variables.index").write_text("x")
    registry = moorage.login().get_model_registry()
    model = registry.tensorflow.create_model("net", input_example=[[1, 2]]).save(str(trained))
    deployment = model.deploy()
    assert deployment.predict(inputs=[[3, 4]]) == {"predictions": [[6, 8]]}
    assert deployment.predict(data={"inputs": [[5]]}) == {"predictions": [[10]]}
