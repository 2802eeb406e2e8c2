"""What every backend keeps, kept by both cluster backends on a real cluster."""

from tests.serving.test_contract import *  # noqa: F403
