"""Revisions with a transformer."""

from __future__ import annotations

from typing import Any

from moorage.deployment import ResolvedArtifact, Revision
from moorage.registry.artifact_files import ArtifactFiles
from moorage.site import Site
from tests.serving.conftest import Workshop

TRANSFORMER = """
class Transformer:
    def preprocess(self, inputs):
        return {"instances": [[row["value"]] for row in inputs["instances"]]}
    def postprocess(self, outputs):
        return [f"doubled: {each}" for each in outputs]
"""


def transformed(workshop: Workshop, site: Site, script: str, **changes: Any) -> Revision:
    """A revision with a transformer; its smoke requests are what users ask."""
    draft = workshop.revision(**changes)
    path = workshop.folder / "transformer.py"
    path.write_text(script)
    model = site.registry.get("double")
    files = ArtifactFiles(workshop.folder / "predictor.py", None, transformer_file=path)
    artifact = site.registry.build_artifact_version(model, files).artifact
    resolved = ResolvedArtifact(
        version=artifact.version,
        digest=artifact.digest,
        script_file=artifact.script_file,
        transformer_file=artifact.transformer_file,
    )
    asked = ({"inputs": [{"value": 21}], "expect": ["doubled: 42"]},)
    plain = draft.model_dump(exclude={"artifact", "smoke_requests", "transformer"})
    return Revision.model_validate(plain | {"artifact": resolved, "smoke_requests": asked, "transformer": {}})
