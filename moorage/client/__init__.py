"""What people import, in Hopsworks' words: a project, its model registry, its models."""

from moorage.client.project import Project, login
from moorage.model_schema import ModelSchema, Schema

__all__ = ["ModelSchema", "Project", "Schema", "login"]
