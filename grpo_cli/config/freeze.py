"""The frozen config: everything resolved, except secrets."""

from __future__ import annotations

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_MARK = "\x00"


def is_secret(variable: str) -> bool:
    """Tell whether an environment variable's name says that it holds a secret."""
    return _SECRET.search(variable) is not None


def as_dict(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain containers, every interpolation resolved (secrets too: never write it out)."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def freeze(cfg: DictConfig) -> str:
    """Write a config out with every interpolation resolved but those to secrets.

    `${oc.env:NAME}` stays as it is where NAME looks like a secret, wherever it is reached from, so that the
    value never is written to disk; whoever loads the file resolves it from their own environment.

    Args:
        cfg: the composed config.

    Returns:
        YAML text; read it with OmegaConf (PyYAML takes 1e-6 for text).
    """
    from omegaconf.resolvers import oc

    def env(name: str, *default: Any) -> Any:
        if not is_secret(name):
            return oc.env(name, *default)
        rest = "".join(f",{'null' if d is None else d}" for d in default)
        return f"{_MARK}oc.env:{name}{rest}{_MARK}"

    OmegaConf.register_new_resolver("oc.env", env, replace=True)
    try:
        plain = OmegaConf.to_container(cfg, resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    return OmegaConf.to_yaml(OmegaConf.create(_escape(plain)))


def _escape(value: Any) -> Any:
    """Keep literal `${` literal for the next reader, and put the secrets' interpolations back."""
    if isinstance(value, dict):
        return {k: _escape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_escape(v) for v in value]
    if isinstance(value, str):
        value = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
        return re.sub(f"{_MARK}(.*?){_MARK}", r"${\1}", value)
    return value
