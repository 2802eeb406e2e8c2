"""An example of what comes before: train → register. What follows the model is deployed by the event of that."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

import moorage


@flow(name="train-iris", flow_run_name="train-{model_name}")
def train_iris(model_name: str = "iris_classifier", trees: Annotated[int, Field(ge=1, le=1000)] = 50) -> int:
    """Trains a classifier of irises and registers it with its accuracy; returns the number of its version.

    Args:
        model_name: Name of the model in the registry.
        trees: How many trees the forest has.
    """
    # a trainer's packages are needed where training runs, and nowhere else
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    data = load_iris()
    seen, unseen, names, expected = train_test_split(data.data, data.target_names[data.target], random_state=0)
    forest = RandomForestClassifier(trees, random_state=0).fit(seen, names)
    registry = moorage.login().get_model_registry()
    model = registry.sklearn.create_model(
        model_name, metrics={"accuracy": float(forest.score(unseen, expected))}, input_example=[[5.1, 3.5, 1.4, 0.2]]
    )
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(forest, Path(folder) / "model.joblib")
        return model.save(folder).version or 0
