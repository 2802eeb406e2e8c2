"""The comparison tables of the documentation, made from what backends can do and from the rules (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from moorage.abilities import Abilities
from moorage.components import Transformer
from moorage.deployment import DeploymentSpec
from moorage.predictor import ANY_PIPELINE, PICKLES, Framework, ModelRef, ModelServer, ServingTool, environment_for
from moorage.rules import model_server_of, violations
from moorage.rules.facts import Facts

_MODEL: Final = "model"
# What a model of any framework could be loaded from.
_FILES: Final = (f"{_MODEL}{PICKLES[0]}", "saved_model.pb", "variables/variables.index")
_CLONE: Final = f"my{ANY_PIPELINE}"
# Of each model server the framework that asks least of a specification.
_EASIEST: Final = (Framework.SKLEARN, Framework.TENSORFLOW, Framework.LLM)
_WITH: Final[Mapping[bool, str]] = {True: "with one", False: "without"}


def serving_tools(abilities: Mapping[ServingTool, Abilities]) -> str:
    """What each serving tool can do, as a table in Markdown."""
    tools = list(abilities)
    rows = {
        "model servers": [_listed(able.model_servers) for able in abilities.values()],
        "autoscaling, by": [_listed(able.scale_metrics) for able in abilities.values()],
        "scale to zero": [_yes(able.scales_to_zero) for able in abilities.values()],
        "resources: requests and limits, queue, placement": [_yes(able.has_resources) for able in abilities.values()],
        "a canary's share of the requests": [_yes(able.shares_requests) for able in abilities.values()],
        "transformer": [_yes(able.transforms) for able in abilities.values()],
        "inference batcher, in front of": [_listed(able.batches) for able in abilities.values()],
        "gRPC, of": [_listed(able.grpc) for able in abilities.values()],
        "inference logger, mode": [_listed(able.log_modes) for able in abilities.values()],
    }
    return _table(["", *tools], [[name, *cells] for name, cells in rows.items()])


def model_servers(abilities: Mapping[ServingTool, Abilities]) -> str:
    """Which model server serves which framework, and whether it needs a predictor script, as a table in Markdown."""
    rows = [
        [framework, ModelServer.for_framework(framework), *(_script(tool, framework, abilities) for tool in abilities)]
        for framework in Framework
    ]
    return _table(["framework", "model server", *(f"script on {tool}" for tool in abilities)], rows)


def environments(abilities: Mapping[ServingTool, Abilities]) -> str:
    """Where each model server runs, as a table in Markdown."""
    rows = []
    for tool, able in abilities.items():
        for server in sorted(able.model_servers):
            found = {has: row for has in _WITH if (row := _environment(tool, server, has, abilities)) is not None}
            is_one = len({tuple(row) for row in found.values()}) == 1
            rows += [
                [tool, server, "either" if is_one and len(found) > 1 else _WITH[has], *row]
                for has, row in list(found.items())[: 1 if is_one else None]
            ]
    return _table(["", "model server", "predictor script", "environment", "or", "transformer in it"], rows)


def _environment(
    tool: ServingTool, server: ModelServer, has_script: bool, abilities: Mapping[ServingTool, Abilities]
) -> list[str] | None:
    framework = next(each for each in _EASIEST if ModelServer.for_framework(each) is server)
    facts = Facts(abilities, framework, model_files=_FILES, store_url="s3://bucket")
    spec = _asked(tool, "predictor.py" if has_script else None)
    if violations(spec, facts):
        return None
    cloned = spec.model_copy(update={"environment": _CLONE})
    transformed = spec.model_copy(update={"transformer": Transformer(script_file="transformer.py")})
    return [
        f"`{environment_for(server, has_script=has_script)}`",
        "" if violations(cloned, facts) else f"any `…{ANY_PIPELINE}`",
        _yes(not violations(transformed, facts)),
    ]


def _script(tool: ServingTool, framework: Framework, abilities: Mapping[ServingTool, Abilities]) -> str:
    server = model_server_of(_asked(tool, None), framework)
    if server not in abilities[tool].model_servers:
        return "not served"
    facts = Facts(abilities, framework, model_files=_FILES, store_url="s3://bucket")
    with_one = not violations(_asked(tool, "predictor.py"), facts)
    without = not violations(_asked(tool, None), facts)
    return {(True, False): "needed", (True, True): "optional", (False, True): "none"}.get((with_one, without), "-")


def _asked(tool: ServingTool, script: str | None) -> DeploymentSpec:
    return DeploymentSpec(
        name=_MODEL, model=ModelRef(name=_MODEL), serving_tool=tool, script_file=script, config_file="config.yaml"
    )


def _yes(able: bool) -> str:
    return "yes" if able else "no"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "no"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)
