"""What vLLM could not be started with."""

import pytest

from moorage.errors import CallerError
from moorage.server_config import check_config

FINE = ["", "# nothing yet", "max-model-len: 4096\ndtype: half\n", "lora_modules: [{name: a, path: b}]"]
REFUSED = {
    "no YAML": ("dtype: half\n  max: [", r"c\.yaml:3:1 is no YAML|c\.yaml:2:6 is no YAML"),
    "no text": (b"\xff\xfe\x00\x00a", "is no YAML"),
    "a list": ("- dtype", r"holds no options\. .* a line each\. Write them without the dashes"),
    "numbers for names": ("1: 2", "holds no options"),
    "an address": ("host: 0.0.0.0\nport: 80", r"c\.yaml sets host and port\. .* Leave them out"),
    "a name, as arguments are written": ("served_model_name: x", r"sets served_model_name\. .* Leave it out"),
    "encryption": ("ssl-keyfile: x", "sets ssl-keyfile"),
}


@pytest.mark.parametrize("content", FINE)
def test_options_of_its_own_are_fine(content):
    check_config(content.encode(), "c.yaml")


@pytest.mark.parametrize(("content", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_could_not_be_started_with_is_told(content, told):
    with pytest.raises(CallerError, match=told):
        check_config(content if isinstance(content, bytes) else content.encode(), "c.yaml")
