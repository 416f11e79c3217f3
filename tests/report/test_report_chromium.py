"""The page in a real browser: it opens without an error or a request, and everything on it can be used."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from devtools import CHROMIUM, browser
from recorded import HOSTILE, record_run

from grpo_cli.report import formats
from grpo_cli.report.comparison import comparison_page
from grpo_cli.report.read import read_run
from grpo_cli.report.write import write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: install it to test the page in it")
READY = "document.querySelector('#browser').dataset.ready === 'yes'"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose completions are hostile, as those of a small model often are."""
    texts = [*HOSTILE, "a needle in the haystack", *(f"plain answer {i}" for i in range(40))]
    return record_run(tmp_path_factory.mktemp("recorded") / "run", steps=30, prompts=30, texts=texts)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """One browser for all tests here."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab, run, tmp_path):
    """The run's report, open, its completion browser ready."""
    path = write_report([run], tmp_path / "report.html")
    tab.problems.clear()
    tab.requests.clear()
    tab.size(1280, 900)
    tab.open(path.as_uri())
    tab.run("document.querySelector('#browser').scrollIntoView()")
    tab.until(READY)
    yield tab
    assert tab.problems == []
    assert [r for r in tab.requests if not r.startswith("file:")] == []


def choose(tab, name, value):
    """Pick an option of the browser's controls as a person would."""
    tab.run(
        f"(() => {{ const s = document.querySelector('#browse-{name}'); s.value = {json.dumps(value)};"
        " s.dispatchEvent(new Event(s.tagName === 'INPUT' ? 'input' : 'change')); })()"
    )


def told(tab):
    """How many groups are shown, in words."""
    return tab.run("document.querySelector('#browser [role=status]').textContent")


def test_hostile_text_is_shown_as_text(page):
    page.until("document.querySelectorAll('.sample .text').length === 4")  # the first group is open
    choose(page, "step", "")
    choose(page, "search", "window.hacked")
    page.until(
        "document.querySelector('#browser [role=status]').textContent.match(/^\\d+ groups?, \\d+ completions?$/)"
    )
    page.run("document.querySelectorAll('.groups details').forEach((d) => { d.open = true; })")
    page.until("[...document.querySelectorAll('.sample .text')].some((e) => e.textContent.includes('</script>'))")
    texts = page.run("[...document.querySelectorAll('.sample .text')].map((e) => e.textContent)")
    assert HOSTILE[1] in texts and HOSTILE[2] in texts
    assert page.run("window.hacked === undefined && document.querySelectorAll('main img').length === 0")


def test_groups_are_filtered_sorted_stepped_and_searched(page):
    assert told(page) == "30 groups, 120 completions"
    assert page.run("document.querySelector('#browse-step').value") == "30"
    page.run("document.querySelector('[aria-label=\"previous step\"]').click()")
    assert page.run("document.querySelector('#browse-step').value") == "29"
    choose(page, "step", "")
    assert told(page) == "900 groups, 3,600 completions"
    choose(page, "filter", "same")
    same = int(told(page).split()[0])
    choose(page, "filter", "mixed")
    assert same + int(told(page).split()[0]) == 900
    choose(page, "filter", "all")
    choose(page, "sort", "best")
    means = page.run("report.browse({}).found.map((g) => g.mean)")
    assert means == sorted(means, reverse=True)
    choose(page, "search", "a NEEDLE in")
    page.until(
        "/^[0-9]+ groups, [0-9]+ completions$/.test(document.querySelector('#browser [role=status]').textContent)"
    )
    choose(page, "search", "no such words")
    page.until("document.querySelector('#browser [role=status]').textContent === '0 groups, 0 completions'")


def test_a_prompt_is_followed_and_compared_with_its_first_time(page):
    choose(
        page,
        "split",
        str(page.run("[...document.querySelector('#browse-split').options].findIndex((o) => o.text === 'Held-out')")),
    )
    assert told(page) == "8 groups, 8 completions"
    page.run("document.querySelector('.groups details').open = true")
    page.until("document.querySelector('.sample details') !== null")
    assert "at step 0" in page.run("document.querySelector('.group .told').textContent")
    page.run("document.querySelector('.sample details').open = true")
    page.until("document.querySelector('.sample ins, .sample del') !== null")
    page.run("document.querySelector('.group .told button').click()")
    assert told(page) == "4 groups, 4 completions"
    assert page.run(
        "[...document.querySelectorAll('.groups summary')].map((s) => s.textContent.match(/step (\\d+)/)[1])"
    ) == ["0", "10", "20", "30"]


def test_charts_tell_their_values_to_pointer_keyboard_and_screen_reader(page):
    page.run("document.querySelector('#chart-held-out svg').focus()")
    page.press("ArrowLeft")
    svg = "document.querySelector('#chart-held-out svg')"
    assert page.run(f"{svg}.getAttribute('role')") == "slider"
    assert page.run(f"{svg}.getAttribute('aria-valuetext')") == "step 20: 90\u202f% (85\u202f% to 95\u202f%)"
    assert page.run("document.querySelector('#chart-held-out .at').textContent") == "step 20"
    page.run("document.activeElement.blur()")
    assert page.run("document.querySelector('#chart-held-out .at').textContent") == "step 30"
    page.run("document.querySelector('#chart-reward details').open = true")
    rows = page.until("document.querySelectorAll('#chart-reward tbody tr').length")
    assert rows == 30


def test_the_script_shows_numbers_as_the_page_does(page):
    values = [0, 1, -1, 0.05078, 0.37949, 12.345, 99.96, 123.4, 1234.6, 5.556e-06, -4e-4, 0.99999, 1e6, 42, 12345]
    for kind in ("number", "percent", "scientific", "count"):
        told = page.run(f"{values}.map((v) => report.show(v, '{kind}'))")
        assert told == [formats.show(v, kind) for v in values], kind


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page, width, dark):
    page.size(width, 800, dark)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.until("document.querySelectorAll('.sample').length > 8")
    assert page.run("document.documentElement.scrollWidth") <= width
    background = page.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 150) is dark


def test_every_control_has_a_name_and_every_picture_a_description(page):
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "searchbox", "slider", "image", "link", "img", "table", "textbox"}
    unnamed = [
        n["role"]["value"]
        for n in nodes
        if not n.get("ignored") and n.get("role", {}).get("value") in roles and not (n.get("name") or {}).get("value")
    ]
    assert unnamed == []
    levels = page.run("[...document.querySelectorAll('main h1, main h2, main h3')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))


def test_a_comparison_opens_too(tab, tmp_path, run):
    other = record_run(tmp_path / "other", steps=5, config={"seed": 1})
    path = tmp_path / "both.html"
    path.write_text(comparison_page([read_run(run), read_run(other)]), encoding="utf-8")
    tab.problems.clear()
    for width in (390, 1280):
        tab.size(width, 800)
        tab.open(path.as_uri())
        assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("document.querySelectorAll('#chart-reward .legend b').length") == 2
    assert tab.problems == []
