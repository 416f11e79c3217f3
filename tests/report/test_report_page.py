"""The page as HTML: well formed, self-contained, and nothing in it that a run wrote can become markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from recorded import HOSTILE, record_run

import grpo_cli.report
from grpo_cli.report.browser import pack
from grpo_cli.report.comparison import comparison_page, labels
from grpo_cli.report.markup import VOID, Markup, el, escape
from grpo_cli.report.page import run_page
from grpo_cli.report.read import read_run
from grpo_cli.runs.jsonl import append, read, write_json

ASSETS = Path(grpo_cli.report.__file__).with_name("assets")


class Outline(HTMLParser):
    """Checks that elements are closed in order, and collects ids, references and elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.references: set[str] = set()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in <{tag}>"
        self.attributes |= set(given)
        self.ids.update([given["id"]] if "id" in given else [])
        self.references |= {
            v.removeprefix("#") for k, v in attrs if k in ("aria-labelledby", "for") or (v and v[:1] == "#")
        }
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


def outline(page: str) -> Outline:
    """Parse a page, and check what every page has to keep."""
    found = Outline()
    found.feed(page.replace("<wbr>", ""))
    found.close()
    assert found.open == []
    assert [i for i, n in found.ids.items() if n > 1] == []
    assert {r for r in found.references if r} <= set(found.ids)
    assert not [a for a in found.attributes if a.startswith("on") or a in ("style", "src")]
    assert page.startswith("<!doctype html>")
    # No address but the name of SVG's vocabulary in the script.
    assert set(re.findall(r"https?://[\w.]+", page)) <= {"http://www.w3.org"}
    return found


def page_of(root: Path) -> str:
    run = read_run(root)
    return run_page(run, pack(run.folder, None))


def test_the_page_says_what_the_run_was(tmp_path):
    root = record_run(tmp_path / "run", config={"training.learning_rate": 1e-4})
    append(
        root / "doctor.jsonl",
        {
            **{"step": 12, "rule": "entropy_collapse", "severity": "error", "symptom": "Entropy has collapsed"},
            **{"evidence": "0.4 to 0.001", "cause": "a learning rate too high", "try": ["training.learning_rate=1e-5"]},
        },
    )
    found = outline(page_of(root))
    text = " ".join(" ".join(found.words).split())
    for said in (
        "Held-out accuracy rose from 10",
        "Entropy has collapsed",
        "training.learning_rate=1e-5",
        "0.0005",  # the default beside what the run has
        "grpo-train training.learning_rate=0.0001",
        "0123456789ab, with changes",
        "59a62bf7b3c98248",
        "no GPU with bfloat16",
        "344 completions",
    ):
        assert said in text, said
    assert found.elements["h1"] == 1
    assert found.elements["figure"] == 16


@pytest.mark.parametrize("how", [{"every": None}, {"status": "interrupted"}, {"status": "failed"}, {"steps": 1}])
def test_runs_in_every_state_have_a_page(tmp_path, how):
    outline(page_of(record_run(tmp_path / "run", **how)))


def test_what_is_only_worth_knowing_is_not_announced_as_a_problem(tmp_path):
    root = record_run(tmp_path / "run", steps=3)
    append(root / "doctor.jsonl", {"step": 1, "rule": "loss", "severity": "info", "symptom": "the loss is 0"})
    page = page_of(root)
    assert "The loss is 0" in page and "The doctor found:" not in page
    append(root / "doctor.jsonl", {"step": 2, "rule": "kl", "severity": "error", "symptom": "the KL blows up"})
    assert "The doctor found: the KL blows up" in page_of(root)


def test_an_empty_run_and_one_with_rubbish_have_a_page(tmp_path):
    assert "Nothing has been measured yet" in page_of(tmp_path)
    root = record_run(tmp_path / "run", steps=3)
    for name in ("config.yaml", "provenance.json", "result.json", "overrides.yaml"):
        (root / name).write_text("[1, {", encoding="utf-8")
    append(
        root / "metrics.jsonl", {"kind": "train", "step": "nan", "loss": {}}, {"kind": "eval", "step": 9, "eval/x": []}
    )
    append(root / "doctor.jsonl", {"try": "one", "symptom": 5}, {})
    write_json(root / "provenance.json", {"git": 3, "hardware": {"gpus": ["A"]}, "data": [], "rewards": {"a": {}}})
    outline(page_of(root))


def test_nothing_a_run_wrote_becomes_markup(tmp_path):
    bad = HOSTILE[0]
    root = record_run(tmp_path / bad.replace("/", "_"), texts=HOSTILE, steps=3, config={"name": bad})
    records = [
        {**r, "prompt": bad, "columns": {bad: bad}, "rewards": {bad: 1.0}}
        for r in read(root / "completions/train.jsonl")
    ]
    (root / "completions/train.jsonl").unlink()
    append(root / "completions/train.jsonl", *records)
    append(root / "metrics.jsonl", {"kind": "train", "step": 4, f"rewards/{bad}/mean": 1.0})
    append(root / "metrics.jsonl", {"kind": "eval", "step": 4, f"eval/{HOSTILE[1].replace('/', '')}/accuracy": 1.0})
    append(root / "doctor.jsonl", dict.fromkeys(("step", "rule", "symptom", "evidence", "cause", "try"), bad))
    write_json(root / "provenance.json", {"command": [bad], "packages": {bad: bad}, "resolved": {bad: {"why": bad}}})
    for page in (page_of(root), comparison_page([read_run(root), read_run(record_run(tmp_path / "b"))])):
        found = outline(page)
        assert "<script>window" not in page and "<img" not in page
        assert page.count("<script>") == 1
        # The only other scripts are data.
        assert page.count("<script") == 1 + page.count('<script type="application/octet-stream"')
        assert "window.hacked = 1" in " ".join(found.words)


def test_markup_is_built_from_escaped_text():
    assert el("p", "<b>", Markup("<i>x</i>"), None, title='"') == '<p title="&quot;">&lt;b&gt;<i>x</i></p>'
    assert el("meta", http_equiv="X", hidden=True, id=None) == '<meta http-equiv="X" hidden>'
    assert escape("a\x00\ud800b") == "a\ufffd\ufffdb"


def test_scripts_and_styles_never_build_markup_from_text():
    scripts = {p.name: p.read_text(encoding="utf-8") for p in ASSETS.glob("*.js")}
    assert set(scripts) == {"charts.js", "completions.js", "group.js", "browser.js", "live.js", "sweep.js"}
    for name, text in scripts.items():
        for way in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "</script",
        ):
            assert way not in text, f"{way} in {name}"
    assert all("</style" not in p.read_text(encoding="utf-8") for p in ASSETS.glob("*.css"))


def test_a_comparison_shows_what_differs_and_every_run(tmp_path):
    a = record_run(tmp_path / "sweep" / "a", config={"training.learning_rate": 1e-4})
    b = record_run(tmp_path / "sweep" / "b", accuracy=(0.1, 0.2, 0.3))
    found = outline(comparison_page([read_run(a), read_run(b)]))
    text = " ".join(" ".join(found.words).split())
    assert "training.learning_rate 0.0001 0.0005" in text
    assert "+80 points (+75 to +85)" in text and "+20 points (+15 to +25)" in text
    assert labels([a, b]) == ["a", "b"]
    assert labels([tmp_path / "x" / "0", tmp_path / "y" / "0"]) == ["x/0", "y/0"]


def test_the_same_run_gives_the_same_page(tmp_path):
    root = record_run(tmp_path / "run")
    assert page_of(root) == page_of(root)
