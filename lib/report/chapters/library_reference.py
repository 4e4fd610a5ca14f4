"""The page that describes the functions and classes of a package for analysts, made from their docstrings.

Belongs here: converting docstrings to Markdown. Does not belong here: the docstrings themselves.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from types import ModuleType

from IPython.display import Markdown
from numpydoc.docscrape import NumpyDocString

from lib.report.text_safety import for_markdown

_FIELDS = ("Parameters", "Attributes", "Returns", "Yields", "Raises")


def reference(room: ModuleType) -> Markdown:
    """Return the functions and classes that a room exports, with their signatures and docstrings.

    Parameters
    ----------
    room : module
        A package such as `lib.stats`. Exported constants are left out.

    Returns
    -------
    Markdown
        A section for each function and class, in alphabetical order.
    """
    exported = {name: getattr(room, name) for name in sorted(room.__all__, key=str.lower)}
    documented = {
        name: value for name, value in exported.items() if inspect.isfunction(value) or inspect.isclass(value)
    }
    return Markdown("\n\n".join(_section(name, value) for name, value in documented.items()))


def _section(name: str, value: Callable[..., object]) -> str:
    parsed = NumpyDocString(inspect.getdoc(value) or "")
    # Classes are documented by their attributes: most are results, which users do not construct.
    kind = f"`{name}{_signature(value)}`" if inspect.isfunction(value) else f"`{name}` (class)"
    parts = [f"### {name}", kind, _prose(parsed["Summary"]), _prose(parsed["Extended Summary"])]
    parts += [_field_list(field, parsed[field]) for field in _FIELDS]
    if inspect.isclass(value):
        methods = {name: member for name, member in vars(value).items() if _is_public_method(name, member)}
        rows = [(name, "", [_first_line(member)]) for name, member in methods.items()]
        parts.append(_field_list("Methods and properties", rows))
    parts += [f"**Notes.** {_prose(parsed['Notes'])}" if parsed["Notes"] else "", _example(parsed["Examples"])]
    return "\n\n".join(part for part in parts if part)


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return the signature with names and defaults only, because the types are in the docstring."""
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)


def _is_public_method(name: str, member: object) -> bool:
    return not name.startswith("_") and isinstance(member, property) | inspect.isfunction(member)


def _first_line(member: object) -> str:
    return (inspect.getdoc(member) or "").partition("\n")[0]


def _field_list(field: str, rows: Iterable[tuple[str, str, list[str]]]) -> str:
    """Return a section such as Parameters as a list with an item for each row (name, type, lines of description)."""
    items = []
    for name, kind, lines in rows:
        head = " : ".join(f"`{part}`" for part in (name, kind) if part)
        items.append(f"- {head}: {_prose(lines)}" if lines else f"- {head}")
    return "\n".join([f"**{field}**\n", *items]) if items else ""


def _prose(lines: Iterable[str]) -> str:
    """Join the lines of paragraphs, and escape text outside code for Markdown."""
    text = re.sub(r"\s*\n\s*", " ", "\n".join(lines)).strip()
    pieces = re.split(r"(``.+?``|`.+?`)", text)
    return "".join(piece if piece.startswith("`") else for_markdown(piece) for piece in pieces)


def _example(lines: list[str]) -> str:
    code = "\n".join(lines).strip()
    return f"```pycon\n{code}\n```" if code else ""
