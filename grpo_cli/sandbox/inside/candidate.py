"""Holds the code that a model wrote, and answers the judge's calls.

Nothing here is trusted: the code may rewrite all of it. It never sees what a call is expected to return.
Descriptors: 4 the code, 5 the judge's requests, 6 the answers.
"""

from __future__ import annotations

import importlib
import sys
import types

from grpo_cli.sandbox.inside.wire import Line, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """Run the code, then answer until the judge is gone."""
    with open(4, encoding="utf-8", errors="surrogatepass") as file:
        code = file.read()
    line = Line(5, 6)
    # Its name is not __main__, so what a script does when it is started is not done here.
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    exec(compile(code, "solution.py", "exec", dont_inherit=True), module.__dict__)
    objects: list[Any] = []

    def refer(value: Any) -> int:
        objects.append(value)
        return len(objects) - 1

    while True:
        try:
            request = line.receive()
        except EOFError:
            return
        try:
            answer = _answer(request, module, objects.__getitem__, refer)
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
            answer = {"error": kinds[0], "text": str(error)[:500]}
        line.send(answer)


def _answer(request: dict[str, Any], module: types.ModuleType, find: Any, refer: Any) -> dict[str, Any]:
    if request["do"] == "name":
        return {"value": ["object", refer(_find_function(module, request["name"]))]}
    target = find(request["target"])
    if request["do"] == "attribute":
        return {"value": encode(getattr(target, request["name"]), refer)}
    arguments = decode(request["arguments"], find)
    options = decode(request["options"], find)
    value = target(*arguments, **options)
    if isinstance(value, types.CoroutineType):
        value = importlib.import_module("asyncio").run(value)
    # A function may be about what it does to its arguments.
    return {"value": encode(value, refer), "arguments": encode(arguments, refer)}


def _find_function(module: types.ModuleType, name: str) -> Any:
    """A name of the code; also a method of `class Solution`, and for no name the last function defined."""
    found = vars(module)
    if name in found:
        return found[name]
    if name and hasattr(found.get("Solution"), name):
        return getattr(found["Solution"](), name)
    if not name:
        own = [f for f in found.values() if isinstance(f, types.FunctionType) and f.__module__ == "solution"]
        if own:
            return own[-1]
    raise NameError(f"name {name!r} is not defined")


if __name__ == "__main__":
    main()
