"""Which options go together: a specification and what is known around it, to every violation at once (pure).

The numbers are those of the rules in Hopsworks' serving backend that Moorage takes over; `L` marks our own.
"""

from __future__ import annotations

import re
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec, Violation
from moorage.rules.cluster import CLUSTER_RULES
from moorage.rules.facts import Facts
from moorage.rules.files import FILE_RULES
from moorage.rules.inference_log import LOG_RULES
from moorage.rules.process import PROCESS_RULES, values_without_json
from moorage.rules.rule import Rule
from moorage.rules.serving import SERVING_RULES, model_server_of
from moorage.rules.transformer import TRANSFORMER_RULES
from moorage.rules.vllm import VLLM_RULES

__all__ = ["RULES", "check", "model_server_of", "values_without_json", "violations"]

RULES: Final[tuple[Rule, ...]] = (
    *SERVING_RULES,
    *VLLM_RULES,
    *FILE_RULES,
    *PROCESS_RULES,
    *TRANSFORMER_RULES,
    *LOG_RULES,
    *CLUSTER_RULES,
)
_FIELDS: Final = list(DeploymentSpec.model_fields)


def violations(spec: DeploymentSpec, facts: Facts) -> list[Violation]:
    """Every rule that the specification breaks, in the order of the fields; empty when it may go on."""
    found = [violation for each in RULES for violation in each.find(spec, facts)]
    return sorted(found, key=lambda violation: _FIELDS.index(re.split(r"[.\[]", violation.field)[0]))


def check(spec: DeploymentSpec, facts: Facts) -> None:
    """Raises InvalidSpec with every violation, or returns."""
    found = violations(spec, facts)
    if found:
        raise InvalidSpec(spec.name, found)
