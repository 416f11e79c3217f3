"""HTML from pieces, every text escaped: what a model wrote can never become markup."""

from __future__ import annotations

import html
import re

# Characters that HTML does not allow (form feed and the C0/C1 controls), and halves of surrogate pairs.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


VOID = {"meta", "link", "br", "wbr", "hr", "input", "col"}


def escape(text: object) -> Markup:
    """Make any text harmless inside an element or a quoted attribute."""
    return Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text)), quote=True))


def breakable(text: object) -> Markup:
    """A dotted key or a path that may go on in the next line after a dot, an underscore or a slash."""
    return Markup(re.sub(r"([._/])(?=\w)", r"\1<wbr>", escape(text)))


def el(name: str, *children: object, **attributes: object) -> Markup:
    """Build one element.

    Args:
        name: the tag.
        children: `Markup` goes in as it is, None is left out, anything else is escaped as text.
        attributes: `class_` is `class`, other underscores are hyphens; None and False leave one out, True gives it
            no value.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Children one after the other, escaped where they are not markup."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children if c is not None))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
