"""`moorage model …` over a real store."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from moorage.cli import app
from moorage.cli.model_shown import ModelInfo, files_table, info_grid, versions_table
from moorage.errors import CallerError, IntegrityError, InvalidName, MoorageError, NotFound
from moorage.ledger import Change, Event, LedgerState
from moorage.predictor import Framework, Lineage, ModelSource
from moorage.registry.references import Pin
from moorage.site import Site
from tests.cli.terminal import moorage
from tests.values import a_revision


def register(site: Site, folder: Path, **metrics: float) -> None:
    (folder / "weights").write_text("2")
    source = ModelSource(path=str(folder / "weights"), framework=Framework.SKLEARN, metrics=metrics)
    site.registry.publish("iris_classifier", source)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """What training saved, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "weights").write_text("one")
    return tmp_path / "trained"


@pytest.fixture
def iris(site, trained):
    """A site with versions 1, which is champion, and 2 of model iris."""
    moorage("model", "register", "iris", "trained", "--alias", "champion")
    moorage("model", "register", "iris", "trained", "--metrics", "f1=0.5", "--description", "a second try")
    return site


def test_no_models_are_said_so(site):
    assert "No models yet. `moorage model register NAME PATH` makes one." in moorage("model", "list")


def test_the_models_are_shown_with_their_newest_version(site, tmp_path):
    register(site, tmp_path)
    register(site, tmp_path, f1=0.12345)
    line = moorage("model", "list").splitlines()[1].split()
    assert line[:6] == ["iris_classifier", "2", "SKLEARN", "1", "B", "f1=0.1235"]


def test_square_brackets_in_a_metric_are_shown_as_they_are(site, tmp_path):
    register(site, tmp_path, **{"f1[macro]": 0.5})
    assert "f1[macro]=0.5" in moorage("model", "list")


def test_the_models_as_json_have_their_digests(site, tmp_path):
    register(site, tmp_path, f1=0.5)
    [model] = json.loads(moorage("model", "list", "--json"))
    assert (model["name"], model["version"], model["metrics"]) == ("iris_classifier", 1, {"f1": 0.5})
    assert model["digest"] == site.registry.get("iris_classifier").digest


def test_a_model_is_registered_with_all_that_is_said_of_it(site, trained):
    (trained.parent / "train.py").write_text("fit()")
    (trained.parent / "pip.txt").write_text("numpy==2.1\n")
    (trained.parent / "row.json").write_text("[[5.1, 3.5]]")
    said = ["--framework", "Scikit-Learn", "--metrics", "f1=0.9,loss=2", "--description", "first", "--tag", "owner=ada"]
    said += ["--input-example", "row.json", "--schema", '{"input_schema": {}}', "--lineage", '{"git_commit": "abc"}']
    said += ["--program", "train.py", "--environment", "pip.txt", "--alias", "champion", "--alias", "best"]
    assert moorage("model", "register", "iris", "trained", *said).startswith(
        "iris version 1 registered\n1 file, 3 B, sha"
    )
    model = site.registry.get("iris", "best")
    assert (model.framework, model.metrics, model.description) == (Framework.SKLEARN, {"f1": 0.9, "loss": 2}, "first")
    assert (model.input_example, model.schema) == ([[5.1, 3.5]], {"input_schema": {}})
    assert (model.lineage, model.created_by) == (Lineage(git_commit="abc"), site.actor)
    assert [entry.path for entry in model.attachments] == ["environment.txt", "program.py"]
    assert site.registry.references("iris").state().tags == {1: {"owner": "ada"}}


def test_registering_the_same_again_says_that_it_is_there(iris):
    said = ["--metrics", "f1=0.5", "--description", "a second try"]
    assert "iris version 2 is there already" in moorage("model", "register", "iris", "trained", *said)
    assert json.loads(moorage("model", "register", "iris", "trained", *said, "--json"))["reused"] is True


def test_the_versions_of_a_model_are_listed_the_newest_first(iris):
    _, second, first = moorage("model", "list", "iris").splitlines()
    assert second.split()[:4] == ["2", "-", "3", "B"]
    assert second.rstrip().endswith("f1=0.5   a second try")
    assert first.split()[:2] == ["1", "champion"]


def test_on_a_narrow_terminal_nothing_is_cut_short(iris):
    model = iris.registry.get("iris", "champion")
    narrow = Console(width=60, record=True, file=io.StringIO())
    narrow.print(versions_table([model], iris.registry.references("iris").state()))
    narrow.print(info_grid(ModelInfo(model, iris.registry.references("iris").state(), [])))
    narrow.print(files_table(model))
    printed = narrow.export_text()
    assert "…" not in printed
    assert model.created_at[:19].replace("T", " ") in printed
    assert model.files[0].sha256.endswith(printed.split()[-1])


def test_twenty_versions_are_listed_and_all_when_asked(site, tmp_path):
    for number in range(21):
        register(site, tmp_path, f1=number)
    lines = moorage("model", "list", "iris_classifier").splitlines()
    assert [lines[1].split()[0], lines[20].split()[0], lines[21]] == [
        "21",
        "2",
        "20 of 21 versions; --all shows all of them",
    ]
    assert moorage("model", "list", "iris_classifier", "--all").splitlines()[21].split()[0] == "1"
    assert len(json.loads(moorage("model", "list", "iris_classifier", "--json"))) == 21


def take_online(site: Site, **state: object) -> None:
    after = LedgerState.model_validate({"last_number": 2, **state})
    site.ledger("iris").record(lambda _: Change(Event.PROMOTED, after, 1))


def of_iris(number: int, version: int) -> dict[str, object]:
    model = {"name": "iris", "version": version, "digest": "sha256:aa", "framework": "PYTHON"}
    return a_revision(number).model_dump() | {"model": model}


def test_info_tells_where_a_version_is_live_and_where_it_is_on_its_way(iris):
    take_online(iris, live=of_iris(1, 1), candidate=of_iris(2, 2))
    assert line_of("live", moorage("model", "info", "iris", "champion")) == "iris: Created, revision 1 live"
    assert line_of("live", moorage("model", "info", "iris")) == "iris: Created, revision 2 in flight"
    told = json.loads(moorage("model", "info", "iris", "1", "--json"))["deployments"]
    assert told == [{"name": "iris", "state": "Created", "live": 1, "in_flight": None}]


def test_info_says_of_which_deployment_nobody_can_tell(iris):
    take_online(iris, live=of_iris(1, 1))
    newest = next(iter(iris.store.list("Projects/default/Ledger/iris/")))
    (iris.settings.home / "store" / newest.key).write_bytes(b"{")
    assert line_of("unknown", moorage("model", "info", "iris")).startswith("iris: ")


def line_of(label: str, shown: str) -> str:
    """What `info` says after this label."""
    [line] = [line for line in shown.splitlines() if line.startswith(f"{label} ")]
    return line.removeprefix(label).strip()


def test_info_shows_what_there_is_and_leaves_out_what_there_is_not(iris):
    moorage("model", "tag", "iris", "2", "approved=true")
    iris.registry.references("iris").pin("irisserved", {Pin(2, 0)})
    shown = moorage("model", "info", "iris", "latest")
    assert shown.splitlines()[0] == "iris version 2"
    assert [line_of(label, shown) for label in ("metrics", "tags", "pinned by")] == [
        "f1=0.5",
        "approved=true",
        "irisserved",
    ]
    assert line_of("weights", shown) == "3 B   7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    for absent in ("aliases", "live", "schema", "input example", "None"):
        assert absent not in shown


def test_info_shows_twenty_files_and_how_many_more_there_are(site, trained):
    for number in range(21):
        (trained / f"part-{number:02}").write_text("x")
    moorage("model", "register", "iris", "trained")
    lines = moorage("model", "info", "iris").splitlines()
    assert lines[-2].startswith("part-19")
    assert lines[-1] == "and 2 more; --json has all of them"
    assert len(json.loads(moorage("model", "info", "iris", "--json"))["files"]) == 22


def test_aliases_move_together_in_one_write(iris):
    assert (
        moorage("model", "alias", "iris", "champion=-", "best=latest", "old=1", "--reason", "tried")
        == "best=2\nold=1\n"
    )
    entry = iris.registry.references("iris").history()[-1]
    assert (entry.change, entry.reason) == ({"champion": None, "best": 2, "old": 1}, "tried")
    assert json.loads(moorage("model", "alias", "iris", "--json")) == {"best": 2, "old": 1}


def test_an_alias_may_follow_another(iris):
    assert moorage("model", "alias", "iris", "old=champion") == "champion=1\nold=1\n"


def test_tags_are_set_taken_off_and_shown(iris):
    assert moorage("model", "tag", "iris", "champion", "owner=ada", "score=0.5") == 'owner="ada"\nscore=0.5\n'
    assert moorage("model", "tag", "iris", "1", "owner=-") == "score=0.5\n"
    assert json.loads(moorage("model", "tag", "iris", "1", "--json")) == {"score": 0.5}
    assert moorage("model", "tag", "iris", "2") == "No tags yet.\n"


def test_no_tag_is_set_when_one_of_them_cannot_be(iris):
    with pytest.raises(CallerError, match="'score' cannot be written as JSON"):
        CliRunner().invoke(app, ["model", "tag", "iris", "1", "owner=ada", "score=1e999"], catch_exceptions=False)
    assert moorage("model", "tag", "iris", "1") == "No tags yet.\n"


def test_the_history_tells_who_did_what_and_why(iris):
    log = iris.registry.references("iris")
    moorage("model", "alias", "iris", "champion=2", "--reason", "better [f1]")
    log.set_tag(1, "approved", False)
    log.pin("iris", {Pin(2, 0)})
    log.unpin("iris")
    log.delete_tag(1, "approved")
    moorage("model", "delete", "iris", "1", "--yes", "--reason", "old")
    lines = moorage("model", "history", "iris").splitlines()[1:]
    told = ["champion - → 1", "champion 1 → 2", "version 1: approved=false"]
    told += [
        "iris may run version 2 with artifact version 0",
        "iris runs none",
        "version 1: approved taken off",
        "version 1",
    ]
    assert all(what in line for what, line in zip(told, lines, strict=True))
    assert lines[1].split()[-2:] == ["better", "[f1]"]
    assert iris.actor in lines[1]


def test_the_history_as_json_is_whole(iris):
    [entry] = json.loads(moorage("model", "history", "iris", "--json"))
    assert (entry["seq"], entry["event"], entry["change"]) == (1, "ALIASES_MOVED", {"champion": 1})
    assert (entry["actor"], entry["reason"]) == (iris.actor, "registered")


def test_the_history_outlives_the_versions_and_is_empty_before_anything_was_done(site, trained):
    moorage("model", "register", "iris", "trained")
    assert "Nothing was done to the versions of iris yet" in moorage("model", "history", "iris")
    moorage("model", "delete", "iris", "1", "--yes")
    assert "DELETED" in moorage("model", "history", "iris")


def test_a_download_is_verified_and_can_be_repeated(iris):
    for _ in range(2):
        assert moorage("model", "download", "iris", "champion") == "iris version 1: 1 file, 3 B, verified, in iris-1\n"
    assert Path("iris-1/weights").read_text() == "one"
    moorage("model", "download", "iris", "--to", "elsewhere/model")
    assert Path("elsewhere/model/weights").read_text() == "one"


def test_a_download_does_not_take_the_place_of_other_files(iris):
    Path("thesis").mkdir()
    Path("thesis/thesis.tex").write_text("years")
    with pytest.raises(CallerError, match="'thesis' is there already"):
        CliRunner().invoke(app, ["model", "download", "iris", "--to", "thesis"], catch_exceptions=False)
    assert Path("thesis/thesis.tex").read_text() == "years"


def test_verify_says_that_all_is_as_published(iris):
    assert moorage("model", "verify", "iris").startswith("iris version 2: 1 file, 3 B, as published\nsha256:")
    assert json.loads(moorage("model", "verify", "iris", "champion", "--json"))["verified"] is True


def test_verify_names_an_altered_file_with_both_digests(iris):
    stored = iris.settings.home / "store/Projects/default/Models/iris/2/Files/weights"
    stored.chmod(0o644)
    stored.write_text("two")
    with pytest.raises(IntegrityError, match=r"'weights' was altered.*sha256 7692c3ad.*sha256 3fc4ccfe"):
        CliRunner().invoke(app, ["model", "verify", "iris", "2"], catch_exceptions=False)


def test_deleting_a_version_asks_first(iris):
    done = CliRunner().invoke(app, ["model", "delete", "iris", "2"], input="n\n")
    assert (done.exit_code, iris.registry.get("iris").version) == (1, 2)
    assert "Delete version 2 of model iris for good (1 file, 3 B)?" in done.output


def test_deleting_a_version_with_yes_asks_nothing(iris):
    assert moorage("model", "delete", "iris", "latest", "--yes", "--reason", "bad") == "iris version 2: deleted\n"
    with pytest.raises(NotFound, match=r"deleted on .* by .*: bad"):
        iris.registry.get("iris", 2)


def test_deleting_what_an_alias_points_to_is_refused_before_anybody_is_asked(iris):
    done = CliRunner().invoke(app, ["model", "delete", "iris", "champion"], input="y\n")
    assert isinstance(done.exception, CallerError)
    assert "alias 'champion' points to it" in str(done.exception)
    assert "for good" not in done.output


def test_garbage_is_told_before_it_is_freed(iris, trained):
    moorage("model", "register", "iris", "trained", "--metrics", "f1=0.6")
    before = [item.key for item in iris.store.list("")]
    lines = moorage("model", "gc", "iris", "--keep", "1", "--dry-run").splitlines()
    assert lines[1].split() == ["iris", "2", "beyond", "kept", "1", "3", "B"]
    assert lines[2].split() == ["total", "1", "3", "B"]
    assert lines[3:] == ["1 version, 1 file, 3 B would be freed", "This was a dry run: nothing was changed."]
    assert [item.key for item in iris.store.list("")] == before


def test_garbage_is_freed_but_not_what_an_alias_points_to(iris, trained):
    moorage("model", "register", "iris", "trained", "--metrics", "f1=0.6")
    [freed] = json.loads(moorage("model", "gc", "--keep", "1", "--json"))["freed"]
    assert freed == {"model": "iris", "version": 2, "because": "BEYOND_KEPT", "files": 1, "size": 3}
    assert [model.version for model in iris.registry.versions("iris")] == [3, 1]
    assert moorage("model", "gc", "iris") == "nothing to free\n"


REFUSED: dict[str, tuple[list[str], type[MoorageError], str]] = {
    "a model that is nowhere": (["register", "iris", "nowhere"], NotFound, "'nowhere' was found neither"),
    "a name": (["register", "ir-is", "trained"], InvalidName, "Call it 'iris'"),
    "a framework": (
        ["register", "iris", "trained", "--framework", "jax"],
        CallerError,
        "'jax' is not known. Known",
    ),
    "a metric": (["register", "iris", "trained", "--metrics", "f1=high"], CallerError, "'f1' is str 'high'"),
    "no metric": (["register", "iris", "trained", "--metrics", "f1"], CallerError, "'f1' is not understood"),
    "an input example": (["register", "iris", "trained", "--input-example", "[[1"], CallerError, "not JSON"),
    "an input example's file": (["register", "iris", "trained", "--input-example", "row.json"], NotFound, "row.json"),
    "an environment": (["register", "iris", "trained", "--environment", "pip.txt"], NotFound, "pip.txt"),
    "a program": (["register", "iris", "trained", "--program", "train.py"], CallerError, "'train.py' cannot be read"),
    "a lineage": (["register", "iris", "trained", "--lineage", '{"commit": "a"}'], CallerError, "commit: Extra"),
    "a lineage that is a list": (
        ["register", "iris", "trained", "--lineage", "[1]"],
        CallerError,
        "lineage: Input should",
    ),
    "an alias at once": (["register", "iris", "trained", "--alias", "7"], InvalidName, "Alias '7'"),
    "a version": (["info", "iris", "9"], NotFound, "has no version 9. It has 2, 1"),
    "an alias": (["download", "iris", "best"], NotFound, "no alias 'best'. It has 'champion'"),
    "a model": (["info", "irsi"], NotFound, "no model 'irsi'.*It has 'iris'"),
    "a model to list": (["list", "irsi"], NotFound, "no model 'irsi'"),
    "a model to collect": (["gc", "irsi"], NotFound, "no model 'irsi'"),
    "a model's history": (["history", "irsi"], NotFound, "no model 'irsi'"),
    "a model's aliases": (["alias", "irsi"], NotFound, "no model 'irsi'"),
    "an alias to a version that there is not": (["alias", "iris", "best=9"], NotFound, "no version 9"),
    "an alias that is a number": (["alias", "iris", "3=1"], InvalidName, "taken for a version number"),
    "an alias twice": (["alias", "iris", "best=1", "best=2"], CallerError, "'best' is given twice"),
    "a tag": (["tag", "iris", "1", "owner"], CallerError, "'owner' is not understood"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_said_and_nothing_is_written(iris, arguments, error, message):
    before = [item.key for item in iris.store.list("")]
    with pytest.raises(error, match=message):
        CliRunner().invoke(app, ["model", *arguments], catch_exceptions=False)
    assert [item.key for item in iris.store.list("")] == before
