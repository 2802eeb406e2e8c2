"""Where the registry keeps things in the store; pure.

    Models/<m>/<v>/Files/<path>               model files, exactly as training saved them; nothing else lies there
    Models/<m>/<v>/<name>                     an attachment: environment.txt, program.py
    Models/<m>/<v>/Artifacts/<n>/<path>       artifact files of artifact version n; 0 has none
    Registry/<m>/v/<inv v>-claim.json         the number is taken
    Registry/<m>/v/<inv v>-manifest.json      the model version exists, or was given up
    Registry/<m>/a/<v>/<inv n>.json           artifact version n of model version v
    Registry/<m>/s/<random>                   an artifact file too large for that entry
    Registry/<m>/r/<inv s>.json               entry s of the references log: aliases, deletions, pins, tags
    Registry/<m>/i/<sha256 of the key>/<j>.json   the j-th number that stood for an idempotency key
    Registry/<m>/ckpt/<inv v>.json.gz         all that is settled up to version v; derived, may vanish at any time

All of it under `Projects/<project>/`. `<inv x>` is x turned round: the newest sorts first.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from moorage.store.log import inverted

_DIGITS: Final = len(inverted(0))
_MANIFEST: Final = "-manifest.json"
_CHECKPOINT: Final = ".json.gz"


@dataclass(frozen=True)
class Keys:
    """The keys of one project."""

    project: str

    @property
    def registry(self) -> str:
        """Prefix of all records."""
        return f"Projects/{self.project}/Registry/"

    def numbers(self, model: str) -> str:
        """Prefix of the claims and manifests of a model."""
        return f"{self.registry}{model}/v/"

    def claim(self, model: str, version: int) -> str:
        return f"{self.numbers(model)}{inverted(version)}-claim.json"

    def manifest(self, model: str, version: int) -> str:
        return f"{self.numbers(model)}{inverted(version)}{_MANIFEST}"

    def version_files(self, model: str, version: int) -> str:
        """Prefix of all that can be deleted of a version: its model files, attachments and artifact files."""
        return f"Projects/{self.project}/Models/{model}/{version}/"

    def model_files(self, model: str, version: int) -> str:
        """Prefix of the model files; ends with '/', or version 1 would hold the files of version 10."""
        return f"{self.version_files(model, version)}Files/"

    def artifact_log(self, model: str, version: int) -> str:
        """Prefix of the log whose entry n is artifact version n."""
        return f"{self.registry}{model}/a/{version}/"

    def artifact_files(self, model: str, version: int, artifact_version: int) -> str:
        """Prefix of the artifact files; ends with '/'."""
        return f"{self.version_files(model, version)}Artifacts/{artifact_version}/"

    def staged_file(self, model: str, token: str) -> str:
        return f"{self.registry}{model}/s/{token}"

    def references(self, model: str) -> str:
        """Prefix of the references log."""
        return f"{self.registry}{model}/r/"

    def idempotency(self, model: str, idempotency_key: str) -> str:
        """Prefix of the chain of numbers that stood for the key, which may be any text."""
        return f"{self.registry}{model}/i/{hashlib.sha256(idempotency_key.encode()).hexdigest()}/"

    def checkpoints(self, model: str) -> str:
        """Prefix of the checkpoints."""
        return f"{self.registry}{model}/ckpt/"

    def checkpoint(self, model: str, version: int) -> str:
        return f"{self.checkpoints(model)}{inverted(version)}{_CHECKPOINT}"

    def checkpointed(self, key: str, model: str) -> int | None:
        """The version that a checkpoint under this key goes up to; None when the key bears none."""
        digits = key.removeprefix(self.checkpoints(model)).removesuffix(_CHECKPOINT)
        return int(inverted(int(digits))) if re.fullmatch(rf"\d{{{_DIGITS}}}", digits, re.ASCII) else None

    def model_of(self, key: str) -> str:
        """The model that a key below `registry` belongs to."""
        return key.removeprefix(self.registry).partition("/")[0]

    def number_of(self, key: str, model: str) -> int:
        """The version that a key below `numbers` belongs to."""
        return int(inverted(int(key.removeprefix(self.numbers(model))[:_DIGITS])))

    @staticmethod
    def is_manifest(key: str) -> bool:
        """Whether the key bears a model version's manifest."""
        return key.endswith(_MANIFEST) and key.rpartition("/")[0].endswith("/v")
