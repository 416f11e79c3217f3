"""Every value a reward returns is checked before it can reach the loss.

TRL takes `inf` (loss 0, no error), loses NaN as if it were None, and trains on what remains; here each is
an error that names the reward, the row and the completion.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from grpo_cli.errors import RunError

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LARGEST = 3.4028235e38  # rewards travel as float32: anything above becomes inf there
_SHOWN = 200


def check_batch(
    name: str, returned: Any, completions: Sequence[str], prompts: Sequence[Any] | None = None
) -> list[float | None]:
    """What a function of TRL's form returned, as a list of floats.

    Args:
        name: the reward's name, for messages.
        returned: a list, tuple, array or tensor with one value per completion.
        completions: the completions' texts, for messages.
        prompts: what they answer, one a completion, for messages.

    Returns:
        One float per completion, or None where the function skipped it.

    Raises:
        RunError: wrong kind, wrong count, or a value that `check_value` refuses.
    """
    expected = f"it must return a list with one number (or None) for each of the {len(completions)} completions"
    if hasattr(returned, "__await__"):
        if hasattr(returned, "close"):
            returned.close()
        raise RunError(f"reward {name!r} returned a coroutine: define the function with 'async def'")
    values = returned.tolist() if hasattr(returned, "tolist") else returned
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise RunError(f"reward {name!r} returned {_short(returned)}; {expected}")
    values = list(values)
    if len(values) != len(completions):
        raise RunError(f"reward {name!r} returned {len(values)} values; {expected}")
    return [check_value(name, value, i, completions, prompts) for i, value in enumerate(values)]


def check_value(
    name: str, value: Any, index: int, completions: Sequence[str], prompts: Sequence[Any] | None = None
) -> float | None:
    """One value as a float; None (skip this completion) stays None, True is 1.0.

    Args:
        name: the reward's name, for messages.
        value: what the function returned for one completion.
        index: the completion's place in the batch.
        completions: the completions' texts, for messages.
        prompts: what they answer, one a completion, for messages.

    Raises:
        RunError: no number, NaN, or too large for a float32.
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
    raise RunError(f"reward {name!r} {wrong} for {_where(index, completions, prompts)}")


def raise_failure(
    name: str,
    error: BaseException,
    completions: Sequence[str],
    index: int | None = None,
    prompts: Sequence[Any] | None = None,
    file: str | None = None,
) -> NoReturn:
    """Turn an exception of a reward function into the user's error, the original chained to it.

    Args:
        name: the reward's name.
        error: what the function raised.
        completions: the completions' texts.
        index: the completion's place in the batch, None when a whole batch was scored at once.
        prompts: what they answer, one a completion.
        file: the reward's source file, to find the line of the user's own code.

    Raises:
        RunError: always (an own RunError and an exit that was not the reward's pass unchanged).
    """
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, RunError):
        raise error
    if isinstance(error, SystemExit) and (not frames or frames[-1].filename.startswith(_PACKAGE)):
        raise error  # the program itself is ending
    own = [f for f in frames if file and f.filename == file]
    outside = [f for f in frames if not f.filename.startswith(_PACKAGE)]
    line = "".join(f" at {f.filename}:{f.lineno} ({f.line})" for f in (own or outside or frames)[-1:])
    if index is None:
        where = f"a batch of {len(completions)}; the first " + _begin(completions[0]) if completions else "nothing"
    else:
        where = _where(index, completions, prompts)
    raise RunError(
        f"reward {name!r} failed with {type(error).__name__}: {_short(str(error), quote=False)}{line} on {where}"
    ) from error


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
