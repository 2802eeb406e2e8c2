"""Fields, and the lines that they stand in."""

import pytest
import yaml

from moorage.errors import InvalidSpec, Violation
from moorage.yaml_lines import line_of, with_lines

TEXT = """\
name: iris
model: {name: iris_classifier,
        version: 3}
resources:
  limits:
    cores: 1
smoke_test:
  requests:
  - inputs: [[1]]
  - inputs: [[2]]
    expect: [0]
"""
LINES = {
    "name": 1,
    "model": 2,
    "model.version": 3,
    "resources.limits.cores": 6,
    "resources.limits.memory_mb": 5,
    "resources.requests.cores": 4,
    "smoke_test.requests[1]": 10,
    "smoke_test.requests[1].expect": 11,
    "smoke_test.requests.1.expect": 11,
    "smoke_test.requests[7]": 8,
    "environment": None,
    "specification": None,
    "name.deeper": 1,
}


@pytest.mark.parametrize(("field", "line"), LINES.items(), ids=LINES.keys())
def test_a_field_is_found_and_one_that_is_missing_at_what_should_hold_it(field, line):
    assert line_of(yaml.compose(TEXT), field) == line


def test_an_empty_text_has_no_lines():
    assert line_of(yaml.compose(""), "name") is None


def test_each_violation_gets_its_own_place():
    error = InvalidSpec("iris", [Violation("1", "model.version", "it is 3.", ""), Violation("2", "queue", "none.", "")])
    assert str(with_lines(error, TEXT, "iris.yaml")).splitlines()[1:] == [
        "  - iris.yaml:3: model.version: it is 3.",
        "  - iris.yaml: queue: none.",
    ]
