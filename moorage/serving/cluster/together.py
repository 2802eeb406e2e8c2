"""How a deployment of two components stands, from how each of them does (pure)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from moorage.components import Component
from moorage.deployment import State
from moorage.serving.base import Observation
from moorage.serving.conditions import Step

_RUNS: Final = (State.RUNNING, State.IDLE)
_ENDS: Final = (State.CREATED, State.STOPPED, State.STOPPING)


def together(predictor: Observation, transformer: Observation) -> Observation:
    """The whole of it: it runs when both do, and users reach it through the transformer."""
    if predictor.state in _ENDS:
        return transformer if transformer.state is State.STOPPING else predictor
    serving = _serving(predictor.serving, transformer.serving)
    whole = replace(
        transformer,
        serving=serving,
        restarts=max(predictor.restarts, transformer.restarts),
        awaits=predictor.awaits or transformer.awaits,
        verdict=predictor.verdict or transformer.verdict,
        canary=None,
        step=None,
    )
    if whole.verdict is not None:
        stage = predictor.stage if predictor.verdict else transformer.stage
        return replace(whole, state=State.FAILED if serving is None else State.RUNNING, stage=stage)
    if predictor.state in _RUNS and transformer.state in _RUNS:
        idle = State.IDLE in (predictor.state, transformer.state)
        return replace(whole, state=State.IDLE if idle else State.RUNNING, stage=predictor.stage)
    behind = predictor if predictor.state not in _RUNS else transformer
    component = Component.PREDICTOR if behind is predictor else Component.TRANSFORMER
    return replace(
        whole,
        state=State.STARTING if serving is None else State.UPDATING,
        stage=f"{component}: {behind.stage}",
        step=behind.step or Step.SCHEDULED,
    )


def _serving(predictor: int | None, transformer: int | None) -> int | None:
    """The older one while they differ, for a request may still meet it; None where it would meet nobody."""
    return None if predictor is None or transformer is None else min(predictor, transformer)
