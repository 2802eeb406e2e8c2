"""What can be said of vLLM's configuration file without starting vLLM (pure)."""

from __future__ import annotations

from typing import Final

import yaml

from moorage.errors import CallerError

# What `vllm serve --config` takes for YAML.
SUFFIXES: Final = (".yaml", ".yml")
# The model, its name and where vLLM listens are given on the command line; what changes how it is asked, or makes it
# several servers, would leave it unanswered: https://docs.vllm.ai/en/latest/cli/serve/
_OURS: Final = frozenset(
    {
        *("model", "model_tag", "served_model_name", "host", "port", "uds", "root_path", "api_key", "config"),
        *("ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "headless", "grpc"),
    }
)


def check_config(content: bytes, file: str) -> None:
    """Raises CallerError for what vLLM could not be started with."""
    try:
        found = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        place = file if mark is None else f"{file}:{mark.line + 1}:{mark.column + 1}"
        said = getattr(exc, "problem", None) or exc
        raise CallerError(f"{place} is no YAML: {said}.", "Expected options of `vllm serve`, a line each.") from None
    if found is None:
        return
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise CallerError(
            f"{file} holds no options.",
            "Expected options of `vllm serve` with their values, a line each.",
            "Write them without the dashes before them: `max-model-len: 4096`.",
        )
    ours = sorted(name for name in found if name.lstrip("-").replace("-", "_") in _OURS)
    if ours:
        raise CallerError(
            f"{file} sets {' and '.join(ours)}.",
            "Moorage itself sees to model, name, address and encryption.",
            f"Leave {'it' if len(ours) == 1 else 'them'} out.",
        )
