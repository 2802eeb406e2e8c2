"""A folder of YAML files, on this machine or in the store."""

from pathlib import Path

import pytest

from moorage.declarations import declared_in
from moorage.errors import NotFound
from moorage.store.directory import DirectoryStore

SOUND = "name: {}\nmodel: {{name: iris_classifier}}\nscript_file: scripts/predictor.py\n"


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    """Two sound files, and what is no declaration beside them."""
    folder = tmp_path / "models"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "predictor.py").write_text("# a script")
    (folder / "scripts" / "inner.yaml").write_text("no: declaration")
    (folder / "README.md").write_text("# no declaration")
    for name in ("iris", "wine"):
        (folder / f"{name}.yaml").write_text(SOUND.format(name))
    return folder


def read(place, store):
    with declared_in(str(place), store) as found:
        return {each.path.name: each.spec.name if each.spec else each.problem for each in found}


def test_each_yaml_file_directly_in_it_declares_one(folder, store):
    (folder / "more.yml").write_text(SOUND.format("more"))
    assert read(folder, store) == {"iris.yaml": "iris", "more.yml": "more", "wine.yaml": "wine"}


def test_a_folder_in_the_store_is_there_with_its_scripts_while_it_is_looked_at(folder, store):
    for path in folder.rglob("*"):
        if path.is_file():
            store.put_if_absent(f"Projects/default/Resources/models/{path.relative_to(folder)}", path.read_bytes())
    with declared_in("Projects/default/Resources/models", store) as found:
        scripts = [Path(str(each.spec.script_file)) for each in found if each.spec]
        assert [script.read_text() for script in scripts] == ["# a script", "# a script"]
    assert not scripts[0].exists()


def test_a_file_with_an_error_is_told_with_its_line_and_the_others_are_read(folder, store):
    (folder / "bad.yaml").write_text(SOUND.format("bad") + "environmnet: mine\n")
    found = read(folder, store)
    assert "bad.yaml:4: environmnet: is not known" in found.pop("bad.yaml")
    assert found == {"iris.yaml": "iris", "wine.yaml": "wine"}


def test_what_two_files_declare_is_in_doubt_in_both(folder, store):
    (folder / "again.yaml").write_text(SOUND.format("Iris"))
    found = read(folder, store)
    assert found["again.yaml"].startswith("Deployment 'Iris' is declared in iris.yaml too.")
    assert found["iris.yaml"].startswith("Deployment 'iris' is declared in again.yaml too.")
    assert found["wine.yaml"] == "wine"


@pytest.mark.parametrize("place", ["/nowhere", "Projects/default/Resources/nothing"])
def test_where_nothing_is_nothing_is_declared(place, store):
    with pytest.raises(NotFound, match=r"declares nothing|There is no folder"), declared_in(place, store):
        pass
