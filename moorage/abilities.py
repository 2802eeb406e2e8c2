"""What a serving tool can do: said by its backend, read by the rules and by the documentation's table."""

from __future__ import annotations

from dataclasses import dataclass

from moorage.components import LogMode
from moorage.predictor import ModelServer
from moorage.resources import ScaleMetric


@dataclass(frozen=True)
class Abilities:
    """What one serving tool can do beyond taking a revision online.

    Attributes:
        model_servers: what it runs.
        scale_metrics: what its instances can follow; none: there is one instance, whatever the load.
        scales_to_zero: whether there may be no instance while nobody asks.
        has_resources: whether it can be told how much an instance gets, and which nodes it may run on.
        shares_requests: whether a new revision can get a share of the requests before it gets them all.
        transforms: whether there may be a transformer before the predictor.
        batches: the model servers whose requests it can batch.
        grpc: the model servers that it lets users ask by gRPC.
        log_modes: what of an exchange it can log.
    """

    model_servers: frozenset[ModelServer]
    scale_metrics: frozenset[ScaleMetric] = frozenset()
    scales_to_zero: bool = False
    has_resources: bool = False
    shares_requests: bool = False
    transforms: bool = False
    batches: frozenset[ModelServer] = frozenset()
    grpc: frozenset[ModelServer] = frozenset()
    log_modes: frozenset[LogMode] = frozenset()
