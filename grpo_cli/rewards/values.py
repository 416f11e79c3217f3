"""Every value a reward returns is checked before it can reach the loss.

TRL takes `inf` (loss 0, no error), loses NaN as if it were None, and trains on what remains; here each is
a failure, and the error made of it names the reward, the row and the completion.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.errors import RunError

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LARGEST = 3.4028235e38  # rewards travel as float32: anything above becomes inf there
_SHOWN = 200


class RewardFailure(Exception):
    """A reward failed on one completion, or on a batch.

    Args:
        kind: "error" (it raised), "value" (it returned what is no reward), "timeout" or "died".
        what: what happened, as the middle of a sentence: "failed with KeyError: 'x' at my_rewards.py:3 (…)".
        index: the completion's place in a batch that was scored at once, where one is to blame.
    """

    def __init__(self, kind: str, what: str, index: int | None = None) -> None:
        super().__init__(kind, what, index)
        self.kind, self.what, self.index = kind, what, index

    def sentence(
        self, name: str, texts: Sequence[str], prompts: Sequence[Any] | None = None, index: int | None = None
    ) -> str:
        """The whole sentence for the user.

        Args:
            name: the reward's name.
            texts: the completions of the batch.
            prompts: what they answer, one a completion.
            index: the completion's place, where they were scored one by one.
        """
        index = self.index if index is None else index
        said = f"reward {name!r} {self.what}"
        if self.kind == "value":
            return said if index is None else f"{said} for {_where(index, texts, prompts)}"
        if index is not None:
            return f"{said} on {_where(index, texts, prompts)}"
        return said + (f" on a batch of {len(texts)}; the first {_begin(texts[0])}" if texts else " on nothing")


def check_batch(returned: Any, count: int) -> list[float | None]:
    """What a function of TRL's form returned, as a list of floats.

    Args:
        returned: a list, tuple, array or tensor with one value per completion.
        count: the number of completions.

    Returns:
        One float per completion, or None where the function skipped it.

    Raises:
        RewardFailure: wrong kind, wrong count, or a value that `check_value` refuses.
    """
    expected = f"it must return a list with one number (or None) for each of the {count} completions"
    if hasattr(returned, "__await__"):
        if hasattr(returned, "close"):
            returned.close()
        raise RewardFailure("value", "returned a coroutine: define the function with 'async def'")
    values = returned.tolist() if hasattr(returned, "tolist") else returned
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise RewardFailure("value", f"returned {_short(returned)}; {expected}")
    values = list(values)
    if len(values) != count:
        raise RewardFailure("value", f"returned {len(values)} values; {expected}")
    return [check_value(value, index) for index, value in enumerate(values)]


def check_value(value: Any, index: int | None = None) -> float | None:
    """One value as a float; None (skip this completion) stays None, True is 1.0.

    Args:
        value: what the function returned for one completion.
        index: the completion's place in a batch that was scored at once.

    Raises:
        RewardFailure: no number, NaN, or too large for a float32.
    """
    if value is None:
        return None
    if hasattr(value, "__await__") and hasattr(value, "close"):
        value.close()
    number = None
    if not isinstance(value, str | bytes):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        except Exception:  # whatever an odd object raises here, it is no number
            number = None
    if number is None:
        wrong = f"returned {_short(value)}, which is no number"
    elif math.isnan(number):
        wrong = "returned NaN (to skip a completion return None)"
    elif abs(number) > _LARGEST:
        wrong = f"returned {_short(value)}, which is not finite as float32"
    else:
        return number
    raise RewardFailure("value", wrong, index)


def failure_of(error: BaseException, file: str | None = None) -> RewardFailure:
    """What an exception of a reward function is to the user: its text and the line of their own code.

    Args:
        error: what the function raised.
        file: the reward's source file, to find that line.

    Raises:
        RunError: the exception itself, where the reward wrote the sentence.
        SystemExit: the exception itself, where it is the program that ends and not the reward.
    """
    if isinstance(error, RunError):
        raise error
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SystemExit) and (not frames or frames[-1].filename.startswith(_PACKAGE)):
        raise error
    own = [f for f in frames if file and f.filename == file]
    outside = [f for f in frames if not f.filename.startswith(_PACKAGE)]
    ours = type(error).__module__.startswith("grpo_cli.")  # raised on purpose: the text says all
    line = "".join(
        f" at {f.filename}:{f.lineno} ({_short(f.line, quote=False)})"
        for f in (own or outside or frames)[-1:]
        if not ours
    )
    return RewardFailure("error", f"failed with {type(error).__name__}: {_short(error, quote=False)}{line}")


def _where(index: int, completions: Sequence[str], prompts: Sequence[Any] | None) -> str:
    """Which completion of the batch, of which row: its prompt is what tells a row in any data set."""
    row = f" on the prompt {_short(_prompt_text(prompts[index]))}" if prompts is not None else ""
    return f"completion {index} of the batch (0 to {len(completions) - 1}){row}, which " + _begin(completions[index])


def _prompt_text(prompt: Any) -> str:
    """A prompt's text: itself, or the last message's content."""
    return prompt if isinstance(prompt, str) else str(prompt[-1].get("content")) if prompt else ""


def _begin(completion: str) -> str:
    return f"begins {completion[:_SHOWN]!r}" if completion else "is empty"


def _short(value: Any, quote: bool = True) -> str:
    try:
        text = repr(value) if quote else str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
