"""A language model with a predictor script goes online on this machine, by vLLM itself; see `runtime/test_vllm`."""

import subprocess
from pathlib import Path

import httpx
import pytest

import moorage
from tests.runtime.test_vllm import CONFIG, PYTHON, SCRIPT, TEMPLATE, VARIABLES

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="TESTS_VLLM names no Python with vLLM"),
    pytest.mark.timeout(600),
]
ROOT = Path(__file__).parents[2]


def test_it_goes_online_and_answers_by_its_script(trained, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    environments = trained.parent / "home" / "environments"
    environments.mkdir(parents=True)
    (environments / "vllm-inference-pipeline").symlink_to(Path(PYTHON).parents[1])
    subprocess.run([PYTHON, str(ROOT / "tests/runtime/vllm/tiny_llm.py"), "tiny"], check=True, timeout=200)
    Path("engine.py").write_text("\n".join(line[4:] for line in (SCRIPT + TEMPLATE).splitlines()))
    Path("options.yaml").write_text(CONFIG.replace("-", "_"))
    deployment = (
        moorage.login()
        .get_model_registry()
        .llm.create_model("roses", input_example=[{"role": "user", "content": "at sea"}])
        .save("tiny")
        .deploy(
            script_file="engine.py",
            config_file="options.yaml",
            env_vars={name: value for name, value in VARIABLES.items() if name != "PYTHONPATH"},
            smoke_test={"timeout_s": 60},
        )
    )
    body = {"model": "roses", "messages": [{"role": "user", "content": "at sea"}], "max_tokens": 3}
    answer = httpx.post(f"{deployment.get_openai_url()}/chat/completions", json=body, timeout=60, trust_env=False)
    assert answer.json()["usage"]["prompt_tokens"] == len("ships: at sea")
    assert answer.headers["moorage-revision"] == "1"
