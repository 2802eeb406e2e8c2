"""The model version to deploy."""

from __future__ import annotations

from moorage import preparation
from moorage.predictor import ModelRef, ModelSource
from moorage.registry.record import ModelVersion
from tasks.acting_site import acting_site
from tasks.progress import progress
from tasks.recording import note
from tasks.step import step


@step("register model")
def register_model(ref: ModelRef, model_files: ModelSource | None = None) -> ModelVersion:
    """Publishes what training saved as a model version, or resolves the one that is named."""
    with progress(f"register-{ref.name}", f"{ref.name} into the registry") as watch:
        model = preparation.register(acting_site(), ref, model_files, progress=watch)
    note(model=f"{model.name} version {model.version}", model_digest=model.digest)
    return model
