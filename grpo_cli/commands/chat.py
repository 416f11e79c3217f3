"""`grpo-chat`: talk to a trained model, beside the one it was trained from.

Nothing is imported here that takes time: --help and a wrong folder answer before torch is loaded.
"""

from __future__ import annotations

import sys

from grpo_cli.commands._console import run_command
from grpo_cli.errors import EXIT_DONE

HELP = """\
grpo-chat: talk to a trained model, beside the one it was trained from

Usage: grpo-chat run=FOLDER [KEY=VALUE …]

  grpo-chat run=outputs/grpo/<date and time>                                the base model answers, then the trained one
  grpo-chat run=outputs/grpo/<date and time>/checkpoints/checkpoint-50      as it was after 50 steps
  echo 'What is 487+358?' | grpo-chat run=outputs/grpo/<date and time>      one message a line; for scripts

  run=FOLDER            a run folder, or one of its checkpoints
  base=false            without the base model
  temperature=T         as in training by default; 0 takes the likeliest token each time
  max_new_tokens=N      the longest answer; as in training by default
  system=TEXT           the system message; that of the training prompts by default
  history=true          keep the conversation (false: each message begins anew; by default as in the training prompts)
  seed=N                of sampling; both models use the same

While talking: /reset, /history, /temperature T, /system TEXT, /help, /quit. A line that ends with a backslash
goes on in the next one; what is pasted at once stays together.

Exit codes: 0 done, 2 the run or a setting is wrong, 130 interrupted while loading.
"""


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 2 the run or a setting is wrong, 130 interrupted.
    """
    return run_command("grpo-chat", HELP, _talk)


def _talk(argv: list[str]) -> int:
    from grpo_cli.chat.options import find, parse

    options = parse(argv)
    subject = find(options)
    if sys.stdin.isatty():
        print(f"Loading {subject.model} …", file=sys.stderr)
    from transformers.utils import logging

    from grpo_cli.chat.models import load_speakers
    from grpo_cli.chat.session import Session, messages_from

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    session = Session(load_speakers(subject, options.base), subject, options.seed)
    if sys.stdin.isatty():
        session.greet()
    session.run(messages_from(sys.stdin))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
