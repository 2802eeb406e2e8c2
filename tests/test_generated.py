"""What is made of the code is as the code is."""

import pytest

from tests.generated import FILES, ROOT


@pytest.mark.parametrize("file", FILES)
def test_what_is_checked_in_is_what_the_code_makes(file):
    assert (ROOT / file).read_text() == FILES[file](), "look at the difference, and write it anew: make generated"
