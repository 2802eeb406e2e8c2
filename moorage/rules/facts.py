"""What the rules need to know beside the specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage.abilities import Abilities
from moorage.errors import CallerError, MoorageError
from moorage.predictor import Framework, ModelServer, ServingTool
from moorage.script import ScriptProblem


@dataclass(frozen=True)
class Facts:
    """What the rules need to know beside the specification; gathered without changing anything.

    Attributes:
        abilities: what each available serving tool can do.
        framework: the model's, or None when there is no such model.
        model_files: the paths of its files.
        model_problem: why the model cannot be had; None when it can.
        artifact_problem: why the artifact version asked for cannot be had; None when it can, or none was asked for.
        missing_files: those of `script_file` and `config_file` that are not there.
        further_problem: why the further files cannot be delivered; None when they can, or there are none.
        script_problem: what can be told of the script without running it.
        transformer_problem: the same of the transformer script.
        config_problem: why vLLM could not be started with the configuration file; None when it could, or has a script.
        has_transformer: whether the artifact version asked for has one; None where none was asked for.
        undelivered: by script or further file: modules that it imports and that lie beside it, but are not delivered.
        secret_problems: by environment variable, why the secret of this machine that it names cannot be had.
        served_by: the model server of the revision that should be applied now; None where there is none.
        log_problem: why inferences cannot be logged; None when they can, or are not.
        topic_is_there: whether there is the topic that the inference logger names; None where none must be.
        topic_schema: the Avro schema that it has in the registry; None where it has none.
        queues: those that a deployment which names none could wait in; empty where there are none, or nobody can tell.
        store_url: where the model files are, as a pod would have to read them.
        namespace: where a cluster's objects would be.
    """

    abilities: Mapping[ServingTool, Abilities]
    framework: Framework | None = None
    model_files: tuple[str, ...] = ()
    model_problem: CallerError | None = None
    artifact_problem: CallerError | None = None
    missing_files: frozenset[str] = field(default_factory=frozenset)
    further_problem: CallerError | None = None
    script_problem: ScriptProblem | None = None
    config_problem: CallerError | None = None
    transformer_problem: ScriptProblem | None = None
    has_transformer: bool | None = None
    undelivered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secret_problems: Mapping[str, MoorageError] = field(default_factory=dict)
    served_by: ModelServer | None = None
    log_problem: MoorageError | None = None
    topic_is_there: bool | None = None
    topic_schema: Mapping[str, Any] | None = None
    queues: tuple[str, ...] = ()
    store_url: str = ""
    namespace: str = ""

    def able(self, tool: ServingTool) -> Abilities | None:
        """What a serving tool can do; None where it is not available, which is a violation of its own."""
        return self.abilities.get(tool)
