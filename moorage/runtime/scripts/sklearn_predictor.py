"""What serves a scikit-learn model that came without a predictor script."""

from __future__ import annotations

import os
from typing import Any

import joblib

from moorage.environment import MODEL_FILES_PATH
from moorage.predictor import pickles_in


class Predictor:
    """Loads the one pickle among the model files and asks it, as KServe's own scikit-learn server does."""

    def __init__(self) -> None:
        folder = os.environ[MODEL_FILES_PATH]
        (name,) = pickles_in(os.listdir(folder))
        self.model = joblib.load(os.path.join(folder, name))

    def predict(self, inputs: Any) -> Any:
        """One prediction for each row."""
        return self.model.predict(inputs)
