"""Moorage takes trained models online and keeps them there.

In a notebook: `moorage.login()`, and on from there. To know how it works, read in this order: `deployment` and
`predictor` (the nouns), `rollout` (the verbs), `serving/base` (what a serving tool must be able to do), `serving/local`
(one that does), `registry` and `store` (where models live), `client` (what people import).

Nothing is imported until it is asked for: a pod that loads `moorage.runtime` must not pay for what only people need.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moorage.client import InferenceBatcher as InferenceBatcher
    from moorage.client import InferenceLogger as InferenceLogger
    from moorage.client import InferInput as InferInput
    from moorage.client import InferOutput as InferOutput
    from moorage.client import KafkaTopic as KafkaTopic
    from moorage.client import Limits as Limits
    from moorage.client import ModelSchema as ModelSchema
    from moorage.client import PredictorResources as PredictorResources
    from moorage.client import PredictorScalingConfig as PredictorScalingConfig
    from moorage.client import Requests as Requests
    from moorage.client import Resources as Resources
    from moorage.client import Scaling as Scaling
    from moorage.client import Schema as Schema
    from moorage.client import Transformer as Transformer
    from moorage.client import TransformerResources as TransformerResources
    from moorage.client import TransformerScalingConfig as TransformerScalingConfig
    from moorage.client import login as login

_FOR_PEOPLE = (
    "InferInput",
    "InferOutput",
    "InferenceBatcher",
    "InferenceLogger",
    "KafkaTopic",
    "Limits",
    "ModelSchema",
    "PredictorResources",
    "PredictorScalingConfig",
    "Requests",
    "Resources",
    "Scaling",
    "Schema",
    "TransformerScalingConfig",
    "TransformerResources",
    "Transformer",
    "login",
)

if not TYPE_CHECKING:  # or every misspelt name would pass for something

    def __getattr__(name):
        if name not in _FOR_PEOPLE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from moorage import client

        return getattr(client, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FOR_PEOPLE})
