"""`moorage deployment create`: what is asked, what is filled in, and what scripts say by flags."""

import pytest
import yaml
from typer.testing import CliRunner

from moorage import lifecycle
from moorage.cli import app
from moorage.declaration import read_specification
from moorage.errors import CallerError, InvalidSpec, NotFound
from moorage.predictor import Framework, ModelSource
from tests.cli.terminal import moorage
from tests.serving.conftest import DOUBLE


@pytest.fixture
def here(site, tmp_path, monkeypatch):
    """A folder with a script, and a store with models of two frameworks; what was deployed is stopped afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(DOUBLE)
    (tmp_path / "factor").write_text("2")
    source = ModelSource(path="factor", input_example=[[21]])
    site.registry.publish("my_double", source)
    site.registry.publish("my_double", source.model_copy(update={"metrics": {"auc": 1}}))
    site.registry.publish("trees", ModelSource(path="factor", framework=Framework.SKLEARN))
    yield site
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


def created(*options: str, answers: str = "") -> tuple[str, str]:
    """What `create` prints, and what it asks."""
    done = CliRunner().invoke(app, ["deployment", "create", *options], input=answers, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def written(tmp_path, *options: str, answers: str = "") -> dict[str, object]:
    """The file that it writes."""
    created(*options, "--write", str(tmp_path / "made.yaml"), answers=answers)
    found: dict[str, object] = yaml.safe_load((tmp_path / "made.yaml").read_text())
    return found


def test_the_simple_form_is_a_few_questions_filled_in(here):
    told, asked = created("--ask", answers="PYTHON\n\n\n\np.py\ny\n")
    assert "Framework (PYTHON, SKLEARN) [PYTHON]" in asked
    assert "Model (my_double) [my_double]" in asked
    assert "Version [2]" in asked
    assert "Name of the deployment [mydouble]" in asked
    assert "mydouble: revision 1 is live at" in told
    assert lifecycle.predict(here, "mydouble", inputs=[[21]]).predictions == [42]


def test_files_that_were_deployed_before_are_filled_in(here, tmp_path):
    created("--no-ask", "--model", "my_double", "--script", "p.py")
    _, asked = created("--ask", "--model", "my_double", answers="\n\n\ny\n")
    assert "Predictor script (empty: artifact version 1)" in asked
    assert written(tmp_path, "--no-ask", "--model", "my_double")["artifact_version"] == 1


def test_a_script_is_never_asked(here, tmp_path):
    made = written(tmp_path, "--no-ask", "--framework", "python", "--version", "1", "--name", "one", "--script", "p.py")
    assert made == {"name": "one", "model": {"name": "my_double", "version": 1}, "script_file": "p.py"}
    with pytest.raises(CallerError, match=r"Model was not said\. Nobody is there to be asked\. Give --model"):
        moorage("deployment", "create", "--no-ask")
    with pytest.raises(CallerError, match=r"Predictor script was not said.*Give --script"):
        moorage("deployment", "create", "--no-ask", "--model", "my_double")


def test_each_option_of_the_advanced_form_has_a_flag(here, tmp_path):
    flags = "--model my_double --serving-tool kserve --environment torch-inference-pipeline --config p.py --instances 2"
    more = "--cores 0.5 --memory-mb 512 --gpus 1 --queue gpus --env A=1 --env B=x=y --script p.py --no-ask"
    scaling = "--max-instances 4 --min-instances 2 --scale-metric memory --secret TOKEN=hub/key --secret OTHER=db"
    ways = "--transformer p.py --batch 8 --log predictions --topic events --api-protocol grpc"
    assert written(tmp_path, *flags.split(), *more.split(), *scaling.split(), *ways.split()) == {
        "name": "mydouble",
        "model": {"name": "my_double", "version": 2},
        "serving_tool": "KSERVE",
        "script_file": "p.py",
        "config_file": "p.py",
        "environment": "torch-inference-pipeline",
        "env_vars": {"A": "1", "B": "x=y", "TOKEN": {"secret": "hub", "key": "key"}, "OTHER": {"secret": "db"}},
        "resources": {"instances": 2, "requests": {"cores": 0.5, "memory_mb": 512, "gpus": 1}},
        "scaling": {"max_instances": 4, "min_instances": 2, "metric": "MEMORY"},
        "queue": "gpus",
        "transformer": {"script_file": "p.py"},
        "inference_logger": {"mode": "PREDICTIONS", "kafka_topic": "events"},
        "inference_batcher": {"max_batch_size": 8, "enabled": True},
        "api_protocol": "GRPC",
    }


def test_the_advanced_form_asks_for_the_rest_and_leaves_out_what_is_so_anyway(here, tmp_path):
    answers = "PYTHON\n\nlatest\nother\np.py\nKSERVE\n\n\n3\n\n256\n0\n\n\np.py\n\nALL\n\n\nA=1,B=2\nTOKEN=hub\n"
    assert written(tmp_path, "--ask", "--advanced", answers=answers) == {
        "name": "other",
        "model": {"name": "my_double", "version": "latest"},
        "serving_tool": "KSERVE",
        "script_file": "p.py",
        "env_vars": {"A": "1", "B": "2", "TOKEN": {"secret": "hub"}},
        "resources": {"instances": 3, "requests": {"memory_mb": 256}},
        "transformer": {"script_file": "p.py"},
        "inference_logger": {"mode": "ALL"},
    }


def test_a_language_model_is_asked_for_its_configuration(here, tmp_path):
    here.registry.publish("roses", ModelSource(path="factor", framework=Framework.LLM))
    (tmp_path / "vllm.yaml").write_text("max-model-len: 256")
    answers = "LLM\n\n\n\n\nvllm.yaml\nShips lie at\n"
    assert written(tmp_path, "--ask", answers=answers) == {
        "name": "roses",
        "model": {"name": "roses", "version": 1},
        "config_file": "vllm.yaml",
        "smoke_test": {"requests": [{"inputs": "Ships lie at"}]},
    }
    chat = '[{"role": "user", "content": "Hello"}]'
    flags = ("--no-ask", "--model", "roses", "--config", "vllm.yaml", "--inputs", chat, "--expect", "Aye")
    asked = {"inputs": [{"role": "user", "content": "Hello"}], "expect": "Aye"}
    assert written(tmp_path, *flags)["smoke_test"] == {"requests": [asked]}
    with pytest.raises(CallerError, match=r"Server configuration file.* was not said.*Give --config"):
        moorage("deployment", "create", "--no-ask", "--model", "roses")


def test_a_tensorflow_model_is_asked_for_no_script(here, tmp_path):
    here.registry.publish("net", ModelSource(path="factor", framework=Framework.TENSORFLOW, input_example=[[1]]))
    assert written(tmp_path, "--ask", answers="TENSORFLOW\n\n\n\n") == {
        "name": "net",
        "model": {"name": "net", "version": 1},
    }


def test_paths_in_the_file_count_from_its_own_folder(here, tmp_path):
    (tmp_path / "models").mkdir()
    created("--no-ask", "--model", "my_double", "--script", "p.py", "--write", "models/double.yaml")
    script = read_specification(tmp_path / "models" / "double.yaml").script_file
    assert script is not None
    assert (tmp_path / script).resolve() == tmp_path / "p.py"


def test_an_answer_that_is_none_of_those_there_are_is_asked_again(here):
    _, asked = created("--ask", answers="JAVA\nPYTHON\n\n\n\np.py\ny\n")
    assert "JAVA is none of PYTHON, SKLEARN." in asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--framework", "TENSORFLOW"), "There is no TENSORFLOW model. There are models of PYTHON, SKLEARN"),
        (("--model", "nobody"), "There is no model 'nobody'"),
        (("--model", "my_double", "--version", "9", "--script", "p.py"), "has no version 9"),
    ],
)
def test_a_model_that_is_not_there_is_told(here, options, said):
    with pytest.raises(NotFound, match=said):
        moorage("deployment", "create", "--no-ask", *options)


def test_what_is_no_variable_or_no_number_is_told(here):
    with pytest.raises(CallerError, match="'A' is no variable"):
        moorage("deployment", "create", "--no-ask", "--model", "my_double", "--script", "p.py", "--env", "A")
    with pytest.raises(CallerError, match="'TOKEN=hub/' names no secret"):
        moorage(
            "deployment", "create", "--no-ask", "--model", "my_double", "--script", "p.py", "--secret", "TOKEN=hub/"
        )
    with pytest.raises(CallerError, match="'many' is no number"):
        created("--ask", "--advanced", "--model", "my_double", answers="\n\np.py\n\n\n\nmany\n")


def test_what_breaks_a_rule_is_told_before_anything_is_done(here):
    with pytest.raises(InvalidSpec, match=r"'p.txt' is not there"):
        moorage("deployment", "create", "--no-ask", "--model", "my_double", "--script", "p.txt")
    assert lifecycle.deployments(here) == []


def test_without_any_model_it_says_how_to_register_one(site):
    with pytest.raises(NotFound, match=r"There is no model to deploy\. Register one"):
        moorage("deployment", "create", "--no-ask")


def test_what_it_is_proven_with_may_be_said(here, tmp_path):
    given = ("--no-ask", "--model", "my_double", "--script", "p.py")
    made = written(tmp_path, *given, "--inputs", "[[4]]", "--expect", "[8]")
    assert made["smoke_test"] == {"requests": [{"inputs": [[4]], "expect": [8]}]}
    made = written(tmp_path, *given, "--expect", "[42]")
    assert made["smoke_test"] == {"requests": [{"inputs": [[21]], "expect": [42]}]}


def test_a_model_without_an_example_is_asked_what_it_is_proven_with(here, tmp_path):
    given = ("--ask", "--model", "trees", "--script", "p.py")
    assert written(tmp_path, *given, answers="\n\n[[4]]\n")["smoke_test"] == {"requests": [{"inputs": [[4]]}]}
    assert "smoke_test" not in written(tmp_path, *given, answers="\n\n\n")
    with pytest.raises(CallerError, match="nothing to ask"):
        created("--no-ask", "--model", "trees", "--script", "p.py", "--expect", "[1]")
