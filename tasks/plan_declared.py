"""What is declared, beside what is live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from moorage.declaration import located
from moorage.declarations import Declared, declared_in
from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec
from moorage.planning import Planned, plan_all
from tasks.acting_site import acting_site
from tasks.step import step


@dataclass(frozen=True)
class PlannedFile:
    """One declared deployment, and what deploying it would do."""

    file: str
    spec: DeploymentSpec
    planned: Planned


@contextmanager
def declared(folder: str, only: Sequence[str] = ()) -> Iterator[list[Declared]]:
    """What a folder declares, here or in the store; its files are there inside the block.

    Args:
        only: names of deployments; all others are left out. Empty: none is.
    """
    with declared_in(folder, acting_site().store) as found:
        yield [each for each in found if not only or each.spec is None or each.spec.name in only]


@step("plan declared")
def plan_declared(found: Sequence[Declared]) -> list[PlannedFile]:
    """Compares each specification with what is live; changes nothing."""
    sound = [(each.path, each.spec) for each in found if each.spec is not None]
    planned = plan_all(acting_site(), [spec for _, spec in sound])
    return [
        PlannedFile(path.name, spec, _with_lines(plan, path)) for (path, spec), plan in zip(sound, planned, strict=True)
    ]


def _with_lines(planned: Planned, path: Path) -> Planned:
    if not isinstance(planned.error, InvalidSpec):
        return planned
    return replace(planned, reason=str(located(planned.error, path)))
