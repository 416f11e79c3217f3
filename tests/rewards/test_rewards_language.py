from __future__ import annotations

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.extras import require
from grpo_cli.rewards.language import LANGUAGES, language

GERMAN = "Die Antwort lautet zwölf, denn drei mal vier ergibt zwölf."
ENGLISH = "The answer is twelve, because three times four makes twelve."
FRENCH = "La réponse est douze, parce que trois fois quatre font douze."
CHINESE = "答案是十二,因为三乘以四等于十二。我们可以用加法来验证这个结果,四加四加四也等于十二。"


@pytest.mark.parametrize(("code", "text"), [("de", GERMAN), ("en", ENGLISH), ("fr", FRENCH), ("zh", CHINESE)])
def test_languages_are_told_apart(code, text):
    assert [language(text, other) for other in ("de", "en", "fr", "zh")] == [
        float(other == code) for other in ("de", "en", "fr", "zh")
    ]


def test_parts():
    text = f"<think>{ENGLISH}</think>{GERMAN}"

    assert language(text, "de") == 1.0
    assert language(text, "en", part="reasoning") == 1.0
    assert language(f"{ENGLISH}</think>{GERMAN}", "en", part="reasoning", prompt_opens_think=True) == 1.0
    assert language(f"<think>{GERMAN}", "de") == 0.0
    assert language(GERMAN, "de", part="reasoning") == 0.0
    assert language(text, "de", part="all") in (0.0, 1.0)


def test_switching_half_way_costs_half():
    assert language(f"{GERMAN}\n{GERMAN}\n{ENGLISH}\n{ENGLISH}", "de", share=True) == pytest.approx(0.5, abs=0.1)
    assert language(f"{GERMAN}\n12", "de", share=True) == 1.0


def test_code_and_formulas_are_of_no_language():
    code = "```python\nfor the_answer in range(12):\n    print(the_answer, 'because of this and that')\n```"

    assert language(f"{GERMAN}\n{code * 5}\n$\\text{{the answer}} = 12$", "de") == 1.0
    assert language(code, "de") is None


def test_nothing_to_tell_from():
    assert language("", "de") == language("  ", "de") == 0.0
    assert language("12", "de") is None
    assert language("zwölf", "de") is None
    assert language(GERMAN, "") is None


def test_the_codes_are_those_of_the_model():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) == LANGUAGES


@pytest.mark.parametrize(("code", "options"), [("german", {}), ("de", {"part": "end"}), ("de", {"min_letters": 0})])
def test_wrong_options_are_told_before_any_completion(code, options):
    with pytest.raises(ValueError, match=next(iter(options), "german")):
        language("", code, **options)


def test_a_package_that_is_missing_is_told_with_its_extra():
    with pytest.raises(ConfigError, match=r"pip install 'grpo-train\[text\]'"):
        require("no_such_package_as_this", "text")
