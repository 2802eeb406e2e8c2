"""From a YAML file to a specification."""

from pathlib import Path

import pytest

from moorage.declaration import parse_specification, read_specification
from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec, NotFound
from moorage.predictor import EnvVar, ServingTool

ROOT = Path(__file__).parents[1]
SOUND = "name: iris\nmodel: {name: iris_classifier}\n"


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> DeploymentSpec:
        path = tmp_path / "iris.yaml"
        path.write_text(text, encoding="utf-8")
        return read_specification(path)

    return read


def test_the_demo_declares_a_sound_deployment():
    spec = read_specification(ROOT / "deployments/models/iris.yaml")
    assert (spec.name, spec.model.name) == ("iris", "iris_classifier")
    assert spec.script_file == str(ROOT / "deployments/models/iris/predictor.py")
    assert Path(spec.script_file).is_file()


def test_paths_count_from_the_files_own_folder(read, tmp_path):
    spec = read(SOUND + "script_file: scripts/predictor.py\nconfig_file: ../shared.json\n")
    assert spec.script_file == str(tmp_path / "scripts/predictor.py")
    assert spec.config_file == str(tmp_path / "../shared.json")


def test_paths_of_further_files_count_from_there_too(read, tmp_path):
    spec = read(SOUND + "further_files: [features/, ../shared.csv, /srv/words.txt]\n")
    assert spec.further_files == (str(tmp_path / "features"), str(tmp_path / "../shared.csv"), "/srv/words.txt")


def test_a_further_file_without_a_name_does_not_get_that_of_the_folder(read):
    assert read(SOUND + "further_files: [., '']\n").further_files == (".", "")


def test_absolute_paths_stay_as_they_are(read):
    assert read(SOUND + "script_file: /srv/predictor.py\n").script_file == "/srv/predictor.py"


def test_a_relative_file_gives_relative_paths(tmp_path, monkeypatch):
    (tmp_path / "iris.yaml").write_text(SOUND + "script_file: predictor.py\n")
    monkeypatch.chdir(tmp_path)
    assert read_specification(Path("iris.yaml")).script_file == "predictor.py"


def test_no_paths_stay_none(read):
    assert (read(SOUND).script_file, read(SOUND).config_file) == (None, None)


@pytest.mark.parametrize("written", ["DEFAULT", "default", "KUBERNETES", "kubernetes"])
def test_words_are_read_in_any_case_and_default_as_kubernetes(read, written):
    assert read(SOUND + f"serving_tool: {written}\n").serving_tool is ServingTool.KUBERNETES


def test_hopsworks_word_for_scaling_is_read(read):
    written = "scaling_configuration: {min_instances: 1, max_instances: 3, scale_metric: cpu}\n"
    assert read(SOUND + "serving_tool: kserve\n" + written).scaling.max_instances == 3


VARIABLES = {
    "a mapping": "{A: x, B: y}",
    "a list": "[{name: A, value: x}, {name: B, value: y}]",
}


@pytest.mark.parametrize("written", VARIABLES.values(), ids=VARIABLES.keys())
def test_variables_are_written_as_a_mapping_or_a_list(read, written):
    assert read(SOUND + f"env_vars: {written}\n").env_vars == (
        EnvVar(name="A", value="x"),
        EnvVar(name="B", value="y"),
    )


def test_a_number_as_a_variables_value_is_its_text(read):
    assert read(SOUND + "env_vars: {THREADS: 1}\n").env_vars == (EnvVar(name="THREADS", value="1"),)


def test_a_transformers_script_counts_from_the_files_folder_too(read, tmp_path):
    transformer = read(SOUND + "transformer: {script_file: t.py, env_vars: {A: x}}\n").transformer
    assert transformer.script_file == str(tmp_path / "t.py")
    assert transformer.env_vars == (EnvVar(name="A", value="x"),)


SECRETS = {
    "a mapping": "{HF_TOKEN: {secret: hub}, DB: {secret: database, key: password}}",
    "a list": "[{name: HF_TOKEN, secret: hub}, {name: DB, secret: database, key: password}]",
}


@pytest.mark.parametrize("written", SECRETS.values(), ids=SECRETS.keys())
def test_a_variable_names_the_secret_that_holds_its_value(read, written):
    database, hub = read(SOUND + f"env_vars: {written}\n").env_vars
    assert (hub.name, hub.secret, hub.secret_key, hub.value) == ("HF_TOKEN", "hub", "HF_TOKEN", None)
    assert (database.name, database.secret, database.secret_key) == ("DB", "database", "password")


@pytest.mark.parametrize("name", ["nowhere.yaml", "."], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_read_is_not_found(tmp_path, name):
    with pytest.raises(NotFound, match=r"The specification '.*' cannot be read: (No such file|Is a directory)"):
        read_specification(tmp_path / name)


NO_SPECIFICATION = {
    "not YAML": ("name: [", "iris.yaml:1:8: file: it is not YAML: while parsing a flow node expected the node content"),
    "a tab": ("name: iris\nmodel:\n\tname: m", "iris.yaml:3:1: file: it is not YAML: .*cannot start any token"),
    "control characters": ("name: \x07", "it is not YAML"),
    "a Python object": ("!!python/object/apply:os.getcwd []", "it is not YAML: could not determine a constructor"),
    "two documents": ("a: 1\n---\nb: 2", "it is not YAML: expected a single document"),
    "a list": ("- name: iris", "it holds list. A mapping"),
    "text": ("iris", "it holds str. A mapping"),
    "nothing": ("", "it holds nothing. A mapping"),
    "only a comment": ("# later", "it holds nothing"),
}


@pytest.mark.parametrize(("text", "message"), NO_SPECIFICATION.values(), ids=NO_SPECIFICATION.keys())
def test_what_is_no_specification_is_told_so(read, text, message):
    with pytest.raises(InvalidSpec, match=f"(?s)'iris.yaml' breaks one rule.*{message}"):
        read(text)


def test_a_file_that_is_not_utf_8_is_told_so(tmp_path):
    path = tmp_path / "iris.yaml"
    path.write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(InvalidSpec, match="UTF-8"):
        read_specification(path)


TWICE = {
    "a key": ("name: other\n", "iris.yaml:3: name: it is given on line 1 already. Each key once."),
    "further in": (
        "rollout: {on_failure: KEEP,\n  on_failure: RESTORE}\n",
        "iris.yaml:4: rollout.on_failure: it is given",
    ),
    "in a list": (
        "smoke_test: {requests: [{inputs: 1, inputs: 2}]}\n",
        r"iris.yaml:3: smoke_test.requests\[0\].inputs: it",
    ),
}


@pytest.mark.parametrize(("text", "message"), TWICE.values(), ids=TWICE.keys())
def test_a_key_that_is_given_twice_is_named_with_both_lines(read, text, message):
    with pytest.raises(InvalidSpec, match=message):
        read(SOUND + text)


def test_two_merges_and_a_key_over_one_are_no_doubles(read):
    text = "rollout: {<<: {on_failure: KEEP}, <<: {ready_timeout_s: 9}, ready_timeout_s: 5}\n"
    assert read(SOUND + text).rollout.ready_timeout_s == 5


BROKEN = {
    "unknown key": (
        "srcipt_file: x.py",
        r"srcipt_file: is not known\. Did you mean script_file\? Known are: name, model, .*script_file",
    ),
    "a key like no other": ("colour: red", r"colour: is not known\. Known are: name, model"),
    "unknown key further in": (
        "rollout: {on_fail: KEEP}",
        r"rollout.on_fail: is not known\. Did you mean on_failure\? Known are: on_failure, .*, take_over\.$",
    ),
    "unknown key in a list": (
        "smoke_test: {requests: [{inputs: [[1]], expects: 1}]}",
        r"requests.0.expects: is not known. Did you mean expect\? Known are: inputs, data, expect, tolerance",
    ),
    "unknown key of a variable": (
        "env_vars: [{name: A, value: s3cret, sekret: s3cret}]",
        r"env_vars.0.sekret: is not known. Did you mean secret\? Known are: name, value, secret, key.$",
    ),
    "a value and a secret": (
        "env_vars: [{name: A, value: s3cret, secret: hub}]",
        "env_vars.0: give either a value or a secret.$",
    ),
    "neither value nor secret": ("env_vars: {A: {}}", "env_vars.0: give either a value or a secret.$"),
    "a key of no secret": ("env_vars: {A: {value: x, key: y}}", "env_vars.0: key names a part of a secret"),
    "a secret outside its folder": ("env_vars: {A: {secret: ../x}}", "env_vars.0.secret: should match pattern"),
    "a key outside its secret": ("env_vars: {A: {secret: hub, key: ../x}}", "env_vars.0.key: should match pattern"),
    "no mapping": ("rollout: 5", "rollout: a mapping is expected. Found: 5"),
    "no list": ("smoke_test: {requests: 5}", "smoke_test.requests: a list is expected. Found: 5"),
    "no list of paths": ("further_files: a.csv", "further_files: a list is expected. Found: 'a.csv'"),
    "no path in a list": ("further_files: [5]", "further_files.0: text is expected; put it in quotes. Found: 5"),
    "no text": ("script_file: 5", "script_file: text is expected; put it in quotes. Found: 5"),
    "no number": ("smoke_test: {timeout_s: soon}", "smoke_test.timeout_s: a number is expected. Found: 'soon'"),
    "name with a newline": ('name: "iris\\n"', r"name: should match pattern.*Found: 'iris\\n'"),
    "no such serving tool": ("serving_tool: HEROKU", "serving_tool: one of 'LOCAL', .* is expected. Found: 'HEROKU'"),
    "no alias": (
        "model: {name: m, version: 'the best'}",
        r"model.version: Alias 'the best' is not allowed: it takes .* Found: 'the best'\.$",
    ),
    "an alias that YAML takes for a number": ("model: {name: m, version: 1.2}", "an alias in quotes is expected"),
    "model version 0": ("model: {name: m, version: 0}", "model.version: .*numbered from 1, not 0"),
    "port out of range": ("local: {port: 70000}", "local.port: .*less than or equal to 65535. Found: 70000"),
    "a variable that no shell can set": ("env_vars: {1A: x}", "env_vars.0.name: .*Found: '1A'"),
    "a request of nothing": ("smoke_test: {requests: [{}]}", "exactly one of inputs and data"),
    "a key that is no text": ("1: 2", "1: keys are text; put it in quotes"),
}


@pytest.mark.parametrize(("line", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_violation_names_its_field_and_what_was_found(read, line, message):
    others = [each for each in SOUND.splitlines() if each.partition(":")[0] != line.partition(":")[0]]
    with pytest.raises(InvalidSpec, match=f"(?s)breaks one rule.*{message}"):
        read("\n".join([*others, line]) + "\n")


NO_JSON = {
    "half a surrogate pair": (r'{inputs: [["\ud800"]]}', r"requests\[0\].inputs\[0\]\[0\]: it is text with half"),
    "a key of that kind": (r'{inputs: [{"\ud800": 1}]}', r"requests\[0\].inputs\[0\].\\ud800: it is text with half"),
    "bytes": ("{inputs: [[1]], expect: [!!binary aGk=]}", r"requests\[0\].expect\[0\]: it is of type bytes"),
    "a date": ("{data: {instances: [[2026-01-01]]}}", r"requests\[0\].data.instances\[0\]\[0\]: it is of type date"),
    "no number": ("{inputs: [[1]], expect: .nan}", r"requests\[0\].expect: it is the number nan"),
    "an endless number": ("{inputs: [[-.inf]]}", "it is the number -inf"),
    "a huge number": ("{inputs: [[99999999999999999999]]}", "it is an integer of more than 64 bits"),
    "itself": ("{inputs: &rows [*rows]}", "it is nested without end"),
}


@pytest.mark.parametrize(("request_", "message"), NO_JSON.values(), ids=NO_JSON.keys())
def test_a_request_that_json_cannot_carry_is_refused_where_it_stands(read, request_, message):
    with pytest.raises(InvalidSpec, match=message) as refused:
        read(SOUND + f"smoke_test: {{requests: [{request_}]}}\n")
    assert [violation.rule for violation in refused.value.violations] == ["L5"]
    assert str(refused.value).encode()


NO_TEXT = ['description: "{}"', 'script_file: "{}"', 'env_vars: {{A: "{}"}}', 'env_vars: {{"{}": x}}', '"{}": 1']


@pytest.mark.parametrize("line", NO_TEXT)
def test_half_a_surrogate_pair_is_no_text_anywhere(read, line):
    with pytest.raises(InvalidSpec, match="half a surrogate pair") as refused:
        read(SOUND + line.format(r"\ud800"))
    assert str(refused.value).encode()


def test_no_sentence_ends_twice(read):
    with pytest.raises(InvalidSpec) as refused:
        read("{")
    assert ".." not in str(refused.value)


def test_a_missing_field_is_told():
    with pytest.raises(InvalidSpec, match=r"'iris' breaks one rule:\n  - model: is missing\.$"):
        parse_specification({"name": "iris"}, "iris.yaml")


def test_all_violations_are_told_together(read):
    with pytest.raises(InvalidSpec, match="'no-name' breaks 3 rules") as refused:
        read("name: no-name\nmodel: {name: m, version: 0}\ncolour: red\n")
    assert [violation.field for violation in refused.value.violations] == ["name", "model.version", "colour"]


def test_the_values_of_variables_are_never_told(read):
    with pytest.raises(InvalidSpec, match="given twice: TOKEN") as refused:
        read(SOUND + "env_vars: [{name: TOKEN, value: hunter2}, {name: TOKEN, value: hunter3}]\n")
    assert "hunter" not in str(refused.value)
