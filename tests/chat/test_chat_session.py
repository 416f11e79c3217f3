"""Talking with the embedded model, in this process: two speakers, commands, conversations, streaming."""

import io

import pytest
import torch

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.chat.models import Speaker, load_speakers
from grpo_cli.chat.options import Subject
from grpo_cli.chat.session import Session, messages_from
from grpo_cli.config.compose import schema

SUBJECT = Subject(EMBEDDED_MODEL, schema.defaults() | {"model": schema.defaults()["model"] | {"name": "embedded"}},
                  temperature=1.0, max_new_tokens=40, system=None, several_turns=False)  # fmt: skip


@pytest.fixture(scope="module")
def speakers() -> list[Speaker]:
    torch.set_num_threads(1)
    return load_speakers(SUBJECT, base=True)


def talk(speakers, text, subject=SUBJECT):
    """The whole output for some lines of input."""
    for speaker in speakers:
        speaker.messages = []
    out = io.StringIO()
    Session(speakers, subject, out=out).run(messages_from(io.StringIO(text)))
    return out.getvalue()


def test_both_answer_and_equal_models_answer_equally(speakers):
    first, second = talk(speakers, "What is 487+358?\n").splitlines()
    assert first.startswith("base     ") and second.startswith("trained  ")
    assert first[9:] == second[9:] != ""
    assert "<|im_" not in first


def test_temperature_zero_repeats_itself_and_sampling_does_not(speakers):
    one = speakers[1:]
    greedy = talk(one, "/temperature 0\n" + "What is 487+358?\n" * 3).splitlines()
    assert greedy[0] == "temperature 0" and len(set(greedy[1:])) == 1
    assert len(set(talk(one, "What is 487+358?\n" * 4).splitlines())) > 1


def test_an_answer_comes_piece_by_piece(speakers):
    message = [{"role": "user", "content": "What is 487+358?"}]
    most = 0
    for seed in range(6):  # an answer without a blank is one piece, as of any streamer of transformers
        pieces: list[str] = []
        text = speakers[1].answer(message, temperature=1.0, limit=40, seed=seed, write=pieces.append)
        assert "".join(pieces) == text
        most = max(most, len(pieces))
    assert most > 1


def test_the_conversation_is_kept_when_asked_and_forgotten_on_reset(speakers):
    one = speakers[1:]
    talk(one, "What is 1+1?\nWhat is 2+2?\n")
    assert one[0].messages == []
    talk(one, "/history\nWhat is 1+1?\nWhat is 2+2?\n")
    assert [m["role"] for m in one[0].messages] == ["user", "assistant"] * 2
    assert "forgotten" in talk(one, "/history\nWhat is 1+1?\n/reset\n") and one[0].messages == []


def test_a_backslash_joins_lines_and_quit_ends_it():
    assert list(messages_from(io.StringIO("a\\\nb\nc\n"))) == ["a\nb", "c"]
    assert talk([], "/quit\n/nonsense\n") == ""
    assert "there is no command /nonsense" in talk([], "/nonsense\n")
    assert "at least 0" in talk([], "/temperature hot\n")
    assert "system message: Be brief." in talk([], "/system Be brief.\n")


def test_an_interrupted_answer_is_not_the_end(speakers, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(speakers[0], "answer", interrupted)
    first, second = talk(speakers, "What is 487+358?\n").splitlines()
    assert first.endswith("(stopped)") and second.startswith("trained  ") and "stopped" not in second


def test_text_in_plain_prompts_is_what_was_typed(speakers, monkeypatch):
    monkeypatch.setattr(speakers[1].tokenizer, "chat_template", None)
    ids = speakers[1]._encode([{"role": "system", "content": "Add."}, {"role": "user", "content": "1+1"}])["input_ids"]
    assert "Add.\n\n1+1" in speakers[1].tokenizer.decode(ids[0])
