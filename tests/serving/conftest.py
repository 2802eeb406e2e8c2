"""A real store with real models, and every backend that there is to deploy them on."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel, Revision, SmokeRequest
from moorage.predictor import ModelSource, ServingTool
from moorage.registry.artifact_files import ArtifactFiles
from moorage.serving.local.backend import LocalBackend
from moorage.settings import Settings
from moorage.site import Site
from tests.values import a_revision

DOUBLE = """
import os

class Predictor:
    def __init__(self):
        self.factor = int(open(os.environ["MODEL_FILES_PATH"] + "/factor").read())

    def predict(self, inputs):
        return [row[0] * self.factor for row in inputs]
"""


@dataclass
class Workshop:
    """Makes revisions whose files really are in the store."""

    site: Site
    folder: Path
    made: int = 0
    tool: ServingTool = ServingTool.LOCAL

    def revision(self, *, factor: int = 2, script: str = DOUBLE, **changes: object) -> Revision:
        self.made += 1
        folder = self.folder / f"model-{self.made}"
        folder.mkdir(parents=True)
        (folder / "factor").write_text(str(factor))
        path = self.folder / "predictor.py"
        path.write_text(script)
        model = self.site.registry.publish("double", ModelSource(path=str(folder))).model
        artifact = self.site.registry.build_artifact_version(model, ArtifactFiles(path, None)).artifact
        image = "" if self.tool is ServingTool.LOCAL else self.site.settings.image_of("pandas-inference-pipeline")
        values: dict[str, object] = {
            "deployment": "double",
            "model": ResolvedModel(
                name=model.name, version=model.version, digest=model.digest, framework=model.framework
            ),
            "artifact": ResolvedArtifact(
                version=artifact.version, digest=artifact.digest, script_file=artifact.script_file
            ),
            "serving_tool": self.tool,
            "image": image,
            "smoke_requests": (SmokeRequest(inputs=[[21]], expect=[21 * factor]),),
        }
        return a_revision(self.made, **values | changes)


@pytest.fixture
def workshop(tmp_path):
    return Workshop(Site(Settings(home=tmp_path / "home"), "ada@lovelace"), tmp_path / "work")


@pytest.fixture(params=["LOCAL"])
def backend(workshop):
    backend = LocalBackend.from_settings(workshop.site.settings)
    yield backend
    backend.stop("double")
    from tests.waiting import until

    until(lambda: not backend.observe("double").processes, timeout_s=60)
