"""Publishing in tests, with what must hold each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

from moorage.predictor import ModelSource
from moorage.registry.access import Manner
from moorage.registry.record import ModelVersion, Published
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from tests.watch import Watch


def publish(
    store: ObjectStore, path: Path | str, *, manner: Manner | None = None, key: str | None = None, **record: str
) -> Published:
    """Publishes with the progress watched: in the end all is done."""
    watch = Watch()
    source = ModelSource(path=str(path), **record)
    published = Registry(store, "demo", manner=manner).publish("iris", source, idempotency_key=key, progress=watch)
    assert watch.done == watch.total == (0 if published.reused else published.model.size)
    return published


def check_whole(store: ObjectStore, model: ModelVersion, folder: Path, target: Path) -> None:
    """The version verifies, and comes down as the folder is."""
    registry = Registry(store, "demo")
    registry.verify(model.name, model.version)
    registry.download_model(model, target)
    subprocess.run(["diff", "-r", str(folder), str(target)], check=True)
