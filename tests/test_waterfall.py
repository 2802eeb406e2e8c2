"""Where the seconds went: as text and as a picture."""

import base64
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from moorage.waterfall import StepTiming, as_image, waterfall, waterfall_svg

SVG = "{http://www.w3.org/2000/svg}"


def bars(*steps: StepTiming, width: int = 8) -> list[str]:
    return [bar for _, bar, _ in waterfall(steps, width=width)]


def test_the_bars_share_one_axis():
    first, second, third = StepTiming("a", 0, 2), StepTiming("b", 2, 4), StepTiming("c", 6, 2)
    assert bars(first, second, third) == ["██      ", "  ████  ", "      ██"]


def test_a_step_that_failed_is_drawn_otherwise():
    assert bars(StepTiming("a", 0, 1), StepTiming("b", 1, 1, ok=False)) == ["████    ", "    ▒▒▒▒"]


def test_a_step_too_short_to_see_is_drawn_all_the_same():
    assert bars(StepTiming("a", 0, 100), StepTiming("b", 100, 0.001)) == ["████████", "       █"]


def test_steps_that_took_no_time_at_all_are_drawn():
    assert bars(StepTiming("a", 0, 0)) == ["█       "]


def test_names_and_seconds_stand_beside_the_bars():
    assert [(name, took) for name, _, took in waterfall([StepTiming("a", 0, 1.234)])] == [("a", "1.23 s")]


def test_no_steps_make_no_rows():
    assert waterfall([]) == []


durations = st.floats(0, 1e6)


@given(st.lists(st.builds(StepTiming, st.just("a"), durations, durations), min_size=1), st.integers(1, 80))
def test_every_bar_is_just_as_wide_as_the_axis_and_never_empty(steps, width):
    drawn = bars(*steps, width=width)
    assert all(len(bar) == width for bar in drawn)
    assert all(bar.strip() for bar in drawn)


def drawn(*steps):
    return ElementTree.fromstring(waterfall_svg(steps))  # noqa: S314 -- our own


def test_a_picture_has_a_bar_for_each_step_with_its_name_and_seconds():
    picture = drawn(StepTiming("register model", 0, 1), StepTiming("wait for ready", 1, 3, ok=False))
    assert [text.text for text in picture.iter(f"{SVG}text")] == [
        "register model",
        "1.00 s",
        "wait for ready",
        "3.00 s",
    ]
    first, second = picture.iter(f"{SVG}rect")
    assert float(second.get("width", 0)) == 3 * float(first.get("width", 0))
    assert float(second.get("x", 0)) == float(first.get("x", 0)) + float(first.get("width", 0))
    assert first.get("fill") != second.get("fill")


def test_a_name_with_signs_in_it_does_not_break_the_picture():
    assert next(text.text for text in drawn(StepTiming("a < b & c", 0, 1)).iter(f"{SVG}text")) == "a < b & c"


@given(st.lists(st.builds(StepTiming, st.just("a"), durations, durations), max_size=5))
def test_every_bar_of_a_picture_can_be_seen_and_lies_inside_it(steps):
    picture = drawn(*steps)
    for bar in picture.iter(f"{SVG}rect"):
        assert float(bar.get("width", 0)) >= 2
        assert float(bar.get("y", 0)) + float(bar.get("height", 0)) <= float(picture.get("height", 0))
        assert float(bar.get("x", 0)) <= float(picture.get("width", 0))


def test_a_picture_is_a_url_that_holds_it():
    kind, _, held = as_image("<svg/>").partition(",")
    assert (kind, base64.b64decode(held)) == ("data:image/svg+xml;base64", b"<svg/>")
