from __future__ import annotations

import pytest

from tests.checker.cast import Materials


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    return Materials.make(tmp_path_factory.mktemp("materials"))
