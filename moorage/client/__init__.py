"""What people import, in Hopsworks' words: a project, its model registry, its models."""

from moorage.client.project import Project, login
from moorage.components import InferenceBatcher, InferenceLogger, KafkaTopic, Transformer
from moorage.inference.tensors import InferInput, InferOutput
from moorage.model_schema import ModelSchema, Schema
from moorage.resources import Limits, PredictorResources, Requests, Resources, Scaling

# Hopsworks' words for them
PredictorScalingConfig = TransformerScalingConfig = Scaling
TransformerResources = PredictorResources

__all__ = [
    "InferInput",
    "InferOutput",
    "InferenceBatcher",
    "InferenceLogger",
    "KafkaTopic",
    "Limits",
    "ModelSchema",
    "PredictorResources",
    "PredictorScalingConfig",
    "Project",
    "Requests",
    "Resources",
    "Scaling",
    "Schema",
    "Transformer",
    "TransformerResources",
    "TransformerScalingConfig",
    "login",
]
