"""What Kubernetes would refuse of an object, by the models of its API that its Python client brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubernetes_asyncio.client import models

_PLAIN: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "datetime": str,
}


def complaints(value: Any, kind: str, path: str = "") -> list[str]:
    """Members that the kind does not have, that are of another type, or that are missing; none: it is valid.

    `kind` is a type as the client names it: `V1Deployment`, `list[V1Container]`, `dict(str, str)`, `str`.
    """
    return list(_complaints(value, kind, path or kind))


def _complaints(value: Any, kind: str, path: str) -> Iterator[str]:
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{path}: is no list"
            return
        for number, item in enumerate(value):
            yield from _complaints(item, match[1], f"{path}[{number}]")
    elif match := re.fullmatch(r"dict\(str, (.+)\)", kind):
        if not isinstance(value, dict):
            yield f"{path}: is no object"
            return
        for name, item in value.items():
            yield from _complaints(item, match[1], f"{path}.{name}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {kind}"
    elif kind != "object":
        yield from _members(value, getattr(models, kind), path)


def _members(value: Any, model: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: is no {model.__name__}"
        return
    attributes = {json_name: attribute for attribute, json_name in model.attribute_map.items()}
    for name, item in value.items():
        if name not in attributes:
            yield f"{path}.{name}: {model.__name__} has no such member"
        else:
            yield from _complaints(item, model.openapi_types[attributes[name]], f"{path}.{name}")
    known = {attribute: value[name] for name, attribute in attributes.items() if name in value}
    try:
        model(**known)  # it knows which members must be there, and which texts a member may be
    except ValueError as error:
        yield f"{path}: {error}"
