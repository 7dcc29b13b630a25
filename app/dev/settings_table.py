"""`make docs`: brings the tables of docs/settings.md up to app/settings.

Which variables there are, their types and their defaults come from the code. What a setting means to whoever
sets it, and the word for an unset one, stay as they were written; a new setting begins with its docstring.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from app import settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

_UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_days": "days"}
_ROW = re.compile(r"^\| `(SLUICE_\w+)` \|.*\|$")


@dataclass(frozen=True)
class Setting:
    """One variable as the code has it. `group` is the prefix that it shares with its neighbours."""

    variable: str
    group: str
    kind: str
    default: str | None
    """As the table shows it; None when it is unset or empty, for which the table has a word."""
    meaning: str


def in_the_code() -> Iterator[Setting]:
    """Every setting, in the order of the code."""
    for member in settings.Settings.model_fields.values():
        group = member.annotation
        if not (isinstance(group, type) and issubclass(group, BaseSettings)):
            raise TypeError(f"{group} is no group of settings")
        prefix, meanings = group.model_config["env_prefix"], _docstrings(group)
        for name, field in group.model_fields.items():
            yield Setting(
                variable=f"{prefix}{name}".upper(),
                group=prefix,
                kind=_kind(name, field),
                default=_default(field.default),
                meaning=meanings.get(name, ""),
            )


def brought_up(text: str) -> str:
    """The document with its tables as the code has it; a group without a table gets one at the end."""
    lines, missing = [], {setting.variable: setting for setting in in_the_code()}
    known = dict(missing)
    for line in text.splitlines():
        row = _ROW.match(line)
        if row is None:
            lines.append(line)
        elif setting := known.get(row[1]):
            lines.append(_row(setting, line))
            missing.pop(setting.variable, None)
    for setting in missing.values():
        lines.insert(_place(lines, setting), _row(setting))
    return "\n".join(lines) + "\n"


def _place(lines: list[str], setting: Setting) -> int:
    """Where the setting's row belongs: below the last of its group."""
    of_group = [number for number, line in enumerate(lines, 1) if line.startswith(f"| `{setting.group}")]
    if not of_group:
        title = setting.group.removeprefix("SLUICE_").strip("_").capitalize()
        lines += ["", f"## {title}", "", "| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
    return of_group[-1] if of_group else len(lines)


def _row(setting: Setting, line: str = "") -> str:
    cells = [cell.strip() for cell in line.split("|")[1:-1]] or ["", "", "*unset*", setting.meaning]
    default = setting.default or (cells[2] if cells[2].startswith("*") else "*unset*")
    return f"| `{setting.variable}` | {setting.kind} | {default} | {cells[3]} |".replace("|  |", "| |")


def _kind(name: str, field: FieldInfo) -> str:
    """What may be put into the variable, in words."""
    bounds = {type(rule): rule for rule in field.metadata}
    if Ge in bounds and Le in bounds:
        return f"{bounds[Ge].ge} to {bounds[Le].le}"
    annotation = field.annotation
    if get_origin(annotation) in {Union, types.UnionType}:
        [annotation] = [choice for choice in get_args(annotation) if choice is not type(None)]
    if get_origin(annotation) is Literal:
        *others, last = [f"`{choice}`" for choice in get_args(annotation)]
        return f"{', '.join(others)} or {last}"
    plain: dict[Any, str] = {
        bool: "true or false",
        SecretStr: "secret",
        list[SecretStr]: "list of secrets",
        list[str]: "list",
        Path: "path",
        str: "URL" if name.endswith("_url") or name == "url" else "text",
        int: "number",
        float: "number",
    }
    word = plain.get(annotation, "list" if get_origin(annotation) is list else "list or JSON")
    if word == "number":
        return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), word)
    return word


def _default(default: Any) -> str | None:
    match default:
        case SecretStr():
            return f"`{default.get_secret_value()}`"
        case bool():
            return f"`{str(default).lower()}`"
        case list() if default:
            return f"`{','.join(default)}`"
        case None | [] | {}:
            return None
        case _:
            return f"`{default}`"


def _docstrings(group: type[BaseSettings]) -> dict[str, str]:
    """What stands below each field."""
    [body] = [
        node.body for node in ast.parse(inspect.getsource(group)).body if isinstance(node, ast.ClassDef)
    ]
    found = {}
    for above, below in pairwise(body):
        match above, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                found[name] = " ".join(said.split())
    return found


if __name__ == "__main__":
    DOCUMENT.write_text(brought_up(DOCUMENT.read_text("utf-8")), "utf-8")
