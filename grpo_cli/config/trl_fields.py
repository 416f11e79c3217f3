"""Every field of the installed TRL's GRPOConfig, read from its source without importing it.

Importing TRL takes seconds (torch, transformers); reading the three class bodies that make up GRPOConfig
takes a few hundredths of one. Names, types, defaults, help and choices so always are those of the TRL that
will do the training.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grpo_cli.config.fields import Field, Kind, parse
from grpo_cli.errors import ConfigError

# From the base to the derived class: a later one overrides an earlier one's field in its place, as dataclasses do.
_CLASSES = (
    ("transformers", "training_args.py", "TrainingArguments"),
    ("trl", "trainer/base_config.py", "_BaseConfig"),
    ("trl", "trainer/grpo_config.py", "GRPOConfig"),
)
_ENUMS = (
    ("transformers", "training_args.py", ("OptimizerNames",)),
    (
        "transformers",
        "trainer_utils.py",
        ("SchedulerType", "IntervalStrategy", "SaveStrategy", "HubStrategy"),
    ),
)
# Choices that TRL and transformers state in running text only. A test holds them against the installed sources.
_LOG_LEVELS = ("detail", "debug", "info", "warning", "error", "critical", "passive")
IN_PROSE: dict[str, tuple[str, ...]] = {
    "importance_sampling_level": ("token", "sequence"),
    "log_level": _LOG_LEVELS,
    "log_level_replica": _LOG_LEVELS,
}
# Types wider than the annotation: `GRPOConfig.__post_init__` maps these booleans to their names.
_ALSO_BOOL = ("scale_rewards", "fsdp")


def package_dir(name: str) -> Path:
    """Folder of an installed package, found without importing it.

    Args:
        name: a top-level package name.

    Raises:
        ConfigError: the package is not installed.
    """
    spec = find_spec(name)  # a top-level name: finding it executes nothing
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"The package {name} is not installed here; install grpo-train with its dependencies.")
    return Path(next(iter(spec.submodule_search_locations)))


@functools.lru_cache(maxsize=8)
def _source(package: str, file: str) -> str:
    return (package_dir(package) / file).read_text(encoding="utf-8")


def _class_body(package: str, file: str, name: str) -> ast.ClassDef:
    """Parse one class down to its first method: fields come first, and parsing methods costs time."""
    text = _source(package, file)
    start = re.search(rf"^class {name}\b", text, re.MULTILINE)
    if start is None:
        raise ConfigError(
            f"The installed {package} has no class {name} in {file}: grpo-train cannot read its fields; "
            'install a version it is made for (pip install "trl>=1.16,<2" "transformers>=5.23,<6").'
        )
    end = re.compile(r"^(?:    def |    @|\S)", re.MULTILINE).search(text, start.end())
    node = ast.parse(text[start.start() : end.start() if end else None]).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def _enums() -> dict[str, tuple[str, ...]]:
    found = {}
    for package, file, names in _ENUMS:
        for name in names:
            body = _class_body(package, file, name).body
            found[name] = tuple(
                str(s.value.value) for s in body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant)
            )
    return found


def _documented(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield (field, its paragraph) from a class docstring in Hugging Face's layout."""
    heads = list(re.finditer(r"^ {8}(\w+) \(.*\):$", docstring, re.MULTILINE))
    for head, following in zip(heads, heads[1:] + [None], strict=True):
        yield head[1], docstring[head.end() : following.start() if following else None]


def _choices_in(text: str) -> tuple[str, ...]:
    """Values that a field's documentation lists one a line, or after "must be one of"."""
    listed = re.findall(r"^ +- (?:`\w+` or )?`\"([\w-]+)\"`", text, re.MULTILINE)
    sentence = re.search(r"[Mm]ust be one of ([^.]*)", text)
    return tuple(listed) or tuple(re.findall(r"`\"([\w-]+)\"`", sentence[1]) if sentence else ())


def _text(node: ast.expr | None) -> str:
    """The help text of a field's metadata, joined and put on one line."""
    if node is None:
        return ""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = ast.unparse(node)
    return re.sub(r"\s+", " ", str(value)).replace("%%", "%").strip()


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """A default, where it is a literal, a name assigned in the class body or an empty container's factory."""
    if isinstance(node, ast.Name):
        return {"list": [], "dict": {}}.get(node.id, names.get(node.id))
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _read(node: ast.ClassDef, enums: dict[str, tuple[str, ...]]) -> Iterator[Field]:
    """Yield the dataclass fields a class body declares."""
    documented = dict(_documented(ast.get_docstring(node, clean=False) or ""))
    names: dict[str, Any] = {}
    for statement in node.body:
        for assign in (a for a in ast.walk(statement) if isinstance(a, ast.Assign)):
            # `default_optim = …`, perhaps again inside an `if`: the last one is today's torch.
            names.update({t.id: _value(assign.value, names) for t in assign.targets if isinstance(t, ast.Name)})
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        if "ClassVar" in ast.unparse(statement.annotation):
            continue
        yield _field(statement.target.id, statement, documented, enums, names)


def _field(
    name: str,
    statement: ast.AnnAssign,
    documented: dict[str, str],
    enums: dict[str, tuple[str, ...]],
    names: dict[str, Any],
) -> Field:
    kinds = parse(statement.annotation, enums)
    if name in _ALSO_BOOL:
        kinds += (Kind("bool"),)
    default: Any = None
    metadata: dict[str, ast.expr] = {}
    if isinstance(statement.value, ast.Call):
        keywords = {k.arg: k.value for k in statement.value.keywords}
        given = keywords.get("default", keywords.get("default_factory"))
        default = _value(given, names) if given is not None else None
        if isinstance(keywords.get("metadata"), ast.Dict):
            table = keywords["metadata"]
            assert isinstance(table, ast.Dict)
            metadata = {ast.literal_eval(k): v for k, v in zip(table.keys, table.values, strict=True) if k}
    elif statement.value is not None:
        default = _value(statement.value, names)
    return Field(
        "training",
        name,
        kinds,
        default,
        _text(metadata.get("help")),
        _choices(name, kinds, metadata, documented),
    )


def _choices(
    name: str, kinds: tuple[Kind, ...], metadata: dict[str, ast.expr], documented: dict[str, str]
) -> tuple[str, ...] | None:
    """The closed set of values of a field that holds text, from wherever it is stated."""
    enum = next((kind.values for kind in kinds if kind.name == "enum"), None)
    if enum:
        return enum
    stated = metadata.get("choices")
    if isinstance(stated, ast.List | ast.Tuple):
        return tuple(ast.literal_eval(stated))
    if name in IN_PROSE:
        return IN_PROSE[name]
    if {kind.name for kind in kinds} <= {"str", "bool", "None"}:
        return _choices_in(documented.get(name, "")) or None
    return None


@functools.lru_cache(maxsize=1)
def read_fields() -> dict[str, Field]:
    """Read the fields of the installed GRPOConfig.

    Returns:
        Field by name, in the order of `dataclasses.fields(GRPOConfig)`.

    Raises:
        ConfigError: TRL or transformers is missing, or not laid out as this reader knows it.
    """
    enums = _enums()
    fields: dict[str, Field] = {}
    for package, file, name in _CLASSES:
        for field in _read(_class_body(package, file, name), enums):
            fields[field.name] = field
    return fields


def class_fields(package: str, file: str, name: str) -> dict[str, Field]:
    """Read the fields of any dataclass of an installed package, without importing it.

    Args:
        package: a top-level package.
        file: path of the module inside it.
        name: the class.

    Returns:
        Field by name, in the order of declaration.

    Raises:
        ConfigError: the package is missing, or has no such class.
    """
    return {field.name: field for field in _read(_class_body(package, file, name), {})}
