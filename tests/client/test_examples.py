"""The examples in the docstrings do what they say, each in a store of its own."""

import doctest
import importlib

import pytest

MODULES = (
    "moorage.client.dataset_api",
    "moorage.client.deployment",
    "moorage.client.predictor",
    "moorage.client.model_serving",
    "moorage.client.model",
    "moorage.client.model_registry",
    "moorage.client.project",
    "moorage.model_schema",
)


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_example_does_what_it_says(trained, example):
    told: list[str] = []
    doctest.DocTestRunner().run(example, out=told.append)
    assert "".join(told) == ""
