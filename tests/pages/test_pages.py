"""Pages are complete and safe for any content; charts have round ticks and correct positions."""

import math
import re
from itertools import pairwise

import jinja2
import pytest
from html_pages import read_page

from keras_gen.pages import Link, links_of_run, page
from keras_gen.pages.charts import COLOURS, Line, chart, thinned, ticks


def test_text_cannot_break_a_page(tmp_path):
    evil = "</script><b>'\"&"
    path = tmp_path / "index.html"
    path.write_text(
        page(
            "samples.html",
            title=evil,
            links=[Link(evil, "index.html"), Link(evil, "")],
            kinds={evil: ["step-0000001.png"]},
            verdicts=[[1, evil]],
            film="",
        )
    )
    (tmp_path / "step-0000001.png").write_bytes(b"")
    parsed = read_page(path)
    assert parsed.texts.count(evil) == 5  # title, heading, both links, the kind without scripts


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="figures"):
        page("figures.html", title="")


def test_links_of_a_run_are_those_that_are_there_and_relative(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("config.json", "index.html", "samples/index.html"):
        (tmp_path / name).touch()
    assert links_of_run(tmp_path, "samples/index.html") == [
        ("Run", "../index.html"),
        ("Samples", ""),
        ("Configuration", "../config.json"),
    ]
    assert links_of_run(tmp_path, "report.html") == [
        ("Run", "index.html"),
        ("Samples", "samples/index.html"),
        ("Exports", ""),
        ("Configuration", "config.json"),
    ]


def test_light_and_dark_have_the_same_colours():
    style = page("figures.html", title="", figures=[])
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    names = [set(re.findall(r"--[a-z0-9]+(?=:)", colours)) for colours in (light, dark)]
    assert names[0] == names[1] >= {f"--c{number}" for number in range(COLOURS)}


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 8), (14.61, 15.22), (1e-5, 3e-5), (0, 123456), (7.0, 7.001)])
def test_ticks_are_round_and_within(low, high):
    found = ticks(low, high)
    steps = {round(b - a, 12) for a, b in pairwise(found)}
    assert 2 <= len(found) <= 6
    assert low - 1e-9 <= found[0] <= found[-1] <= high + 1e-9
    assert len(steps) == 1
    assert f"{steps.pop():.0e}"[0] in "125"


def test_points_lie_where_they_should():
    """The centre of both axes, and the upper end of both."""
    drawn = chart("loss", [Line("a", [(0, 0.0), (50, 5.0), (100, 10.0)]), Line("b", [(100, math.nan), (50, 10.0)])])
    left, top, right, bottom = drawn.frame
    places = [tuple(map(float, place.split(","))) for place in drawn.lines[0][2].split()]
    assert places[1] == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=0.2)
    assert [x for x, _ in places] == pytest.approx([left, (left + right) / 2, right], abs=0.1)
    assert places[2][1] < places[1][1] < places[0][1]
    assert drawn.lines[1][3] == [(places[1][0], places[2][1])]  # one finite point: a dot


def test_a_line_of_one_value_and_none_at_all():
    assert chart("flat", [Line("a", [(1, 3.0), (2, 3.0)])]) is not None
    assert chart("zero", [Line("a", [(0, 0.0)])]) is not None
    assert chart("nothing", [Line("a", [(1, math.inf)]), Line("b", [])]) is None


def test_a_first_loss_out_of_proportion_does_not_flatten_the_rest():
    values = [(step, 1000.0 if step == 0 else 1.0 + step / 100) for step in range(100)]
    drawn = chart("loss", [Line("a", values)])
    heights = [float(place.split(",")[1]) for place in drawn.lines[0][2].split()]
    _, top, _, bottom = drawn.frame
    assert max(heights[1:]) - min(heights[1:]) > 0.8 * (bottom - top)


def test_many_points_become_means_of_neighbours():
    points = thinned([(step, float(step % 2)) for step in range(1000)], 100)
    assert len(points) == 100
    assert all(y == 0.5 for _, y in points)
    assert points[0][0] == 4.5
