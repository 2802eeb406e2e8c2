"""How the broker and the schema registry are reached: by settings, and by librdkafka's options in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from moorage import environment
from moorage.errors import LogRefused

# Of librdkafka's many options those about who asks, and how it is kept secret: KAFKA_SASL_PASSWORD is sasl.password.
# https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
_OPTION: Final = re.compile(r"KAFKA_((SECURITY_PROTOCOL)|((SASL|SSL)_\w+))")


@dataclass(frozen=True)
class Broker:
    """A Kafka cluster, and the registry of its schemas.

    Attributes:
        servers: HOST:PORT, several with commas between them.
        registry_url: Confluent's REST API for schemas; empty: there is none.
        options: librdkafka's, for security.
    """

    servers: str
    registry_url: str
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_env(cls, servers: str, registry_url: str, environ: Mapping[str, str]) -> Broker:
        """The broker that the settings name, with the options that this process's environment has for it.

        Raises:
            LogRefused: none is named, or what talks to one is not installed.
        """
        if not servers:
            raise LogRefused(
                "No Kafka broker is named.",
                f"Inferences are logged to the one at {environment.KAFKA}.",
                f"Set {environment.KAFKA} to HOST:PORT, or leave inference_logger out.",
            )
        for module in ("confluent_kafka", "fastavro"):
            _refuse_missing(module)
        found = {_named(name): value for name, value in environ.items() if _OPTION.fullmatch(name)}
        return cls(servers, registry_url.rstrip("/"), found)

    @property
    def config(self) -> dict[str, str | int | float | bool]:
        """What every client of the broker is made with."""
        # the library would write ten lines a second to standard error while the broker is away
        return {**self.options, "bootstrap.servers": self.servers, "client.id": "moorage", "log_level": 0}


def _named(variable: str) -> str:
    return variable.removeprefix("KAFKA_").lower().replace("_", ".")


def _refuse_missing(module: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise LogRefused(
            f"Inferences cannot be logged: {module} is not installed.", "", "Install it: pip install 'moorage[kafka]'."
        )
