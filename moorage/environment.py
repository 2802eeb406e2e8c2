"""The environment-variable contract: written by backends, read by the runtime and by the user's scripts."""

from __future__ import annotations

from typing import Final

from moorage.components import Component
from moorage.deployment import Revision
from moorage.predictor import EnvVar

# What a predictor script may read: the seven of Hopsworks' guide "configure a predictor".
MODEL_FILES_PATH: Final = "MODEL_FILES_PATH"
ARTIFACT_FILES_PATH: Final = "ARTIFACT_FILES_PATH"
CONFIG_FILE_PATH: Final = "CONFIG_FILE_PATH"
DEPLOYMENT_NAME: Final = "DEPLOYMENT_NAME"
MODEL_NAME: Final = "MODEL_NAME"
MODEL_VERSION: Final = "MODEL_VERSION"
ARTIFACT_VERSION: Final = "ARTIFACT_VERSION"
BUILT_IN: Final = frozenset(
    {
        MODEL_FILES_PATH,
        ARTIFACT_FILES_PATH,
        CONFIG_FILE_PATH,
        DEPLOYMENT_NAME,
        MODEL_NAME,
        MODEL_VERSION,
        ARTIFACT_VERSION,
    }
)

# What the runtime reads; no script should.
RESERVED_PREFIX: Final = "MOORAGE_"
STORE_URL: Final = "MOORAGE_STORE"
# The revision as JSON: in a file on this machine, in the variable itself in a pod.
REVISION: Final = "MOORAGE_REVISION"
REVISION_FILE: Final = "MOORAGE_REVISION_FILE"
REPORT_FILE: Final = "MOORAGE_REPORT_FILE"
# Where to listen: on an inherited socket, or on a port of the pod's own.
LISTEN_FD: Final = "MOORAGE_LISTEN_FD"
LISTEN_PORT: Final = "MOORAGE_LISTEN_PORT"
GRPC_PORT: Final = "MOORAGE_GRPC_PORT"
# Which component a model server is; the predictor's, where nothing is said.
COMPONENT: Final = "MOORAGE_COMPONENT"
# Where a transformer asks the predictor.
PREDICTOR_URL: Final = "MOORAGE_PREDICTOR_URL"
# The transformer's variables in the predictor's pod, which proves both together: there they are called so.
OF_THE_TRANSFORMER: Final = "MOORAGE_OF_THE_TRANSFORMER_"
# The folder of this machine's secrets; not set in a pod, whose variables hold them already.
SECRETS: Final = "MOORAGE_SECRETS"

# Where inferences are logged to, and where schemas of topics are.
KAFKA: Final = "MOORAGE_KAFKA"
SCHEMA_REGISTRY: Final = "MOORAGE_SCHEMA_REGISTRY"


def variables_of(revision: Revision, component: Component) -> tuple[EnvVar, ...]:
    """The user's variables of a component; none where there is no such component."""
    if component is Component.PREDICTOR:
        return revision.env_vars
    return () if revision.transformer is None else revision.transformer.env_vars


def script_variables(
    revision: Revision, *, model_files: str, artifact_files: str, component: Component = Component.PREDICTOR
) -> dict[str, str]:
    """The user's variables, then the built-in ones over them: nobody replaces where the model files are.

    Without those whose values are secret.

    Args:
        revision: what is going to be served.
        component: for which of its components.
        model_files: folder that holds, or will hold, the verified model files.
        artifact_files: the same for the artifact files. CONFIG_FILE_PATH is set only when there is such a file.
    """
    built_in = {
        MODEL_FILES_PATH: model_files,
        ARTIFACT_FILES_PATH: artifact_files,
        DEPLOYMENT_NAME: revision.deployment,
        MODEL_NAME: revision.model.name,
        MODEL_VERSION: str(revision.model.version),
        ARTIFACT_VERSION: str(revision.artifact.version),
    }
    if revision.artifact.config_file is not None:
        built_in[CONFIG_FILE_PATH] = f"{artifact_files}/{revision.artifact.config_file}"
    users = variables_of(revision, component)
    given = {variable.name: variable.value for variable in users if variable.value is not None}
    return given | built_in
