"""What a new model version, or an alias that moved, concerns."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from moorage import following
from moorage.declarations import Declared
from tasks.acting_site import acting_site
from tasks.step import step

log = logging.getLogger(__name__)


@step("find followers")
def find_followers(
    found: Sequence[Declared], model_name: str | None, model_version: int | None, alias: str | None
) -> list[Declared]:
    """Of what is declared, that which follows the model's newest version, or the alias if one is named."""
    name = following.check_event(acting_site(), model_name, model_version)
    for each in found:
        if each.spec is None:
            log.warning("%s is left out: %s", each.path.name, each.problem)
    return [each for each in found if each.spec is not None and following.follows(each.spec, name, alias)]
