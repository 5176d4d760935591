"""The kinds of values that a caller can send: how each is read from a query and from JSON.

A reader takes what was sent and the loaded release (which knows the id types), and raises
ValueError with a message that says what was seen and what was wanted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.generate import MAX_N
from service.ids import Id, IdType, parse_id
from service.registry import Release

MAX_LIST = 10_000
MAX_CATEGORIES = 1_000
MAX_TEXT = 256
_COUNT = re.compile("[1-9][0-9]{0,8}", re.ASCII)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value; the schemas are what OpenAPI says of it."""

    from_text: Callable[[list[str], Release], Any]
    """Takes the non-empty values that the query gives under one name."""
    from_json: Callable[[Any, Release], Any]
    """Takes the value that a JSON body gives, neither null nor an empty string."""
    text_schema: Schema
    json_schema: Schema


def shown(value: object) -> str:
    """Return a value as an error message may show it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def one(values: list[str]) -> str:
    """Return the value of a parameter that may be given once."""
    if len(values) > 1:
        raise ValueError(f"given {len(values)} times; wanted once")
    return values[0]


# texts


def read_text(value: object, _: Release) -> str:
    """Return a value that must be a text of limited length."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text")
    if len(value) > MAX_TEXT:
        raise ValueError(f"{len(value)} characters long; at most {MAX_TEXT} are accepted")
    return value


TEXT_SCHEMA = {"type": "string", "maxLength": MAX_TEXT}
TEXT = Kind(lambda values, release: read_text(one(values), release), read_text, TEXT_SCHEMA, TEXT_SCHEMA)


# how many


def _count(value: object, _: Release) -> int:
    if isinstance(value, float) and value.is_integer():  # JSON has one type of numbers: 5.0 is 5
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_N:
        raise ValueError(f"{shown(value)} is not a whole number from 1 to {MAX_N}")
    return value


def _count_text(values: list[str], release: Release) -> int:
    text = one(values)
    return _count(int(text) if _COUNT.fullmatch(text) else text, release)


_COUNT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_N, "default": 100}
COUNT = Kind(_count_text, _count, _COUNT_SCHEMA, _COUNT_SCHEMA)


# yes or no


def _flag(value: object, _: Release) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def _flag_text(values: list[str], release: Release) -> bool:
    text = one(values)
    return _flag(_FLAGS.get(text.lower(), text), release)


FLAG = Kind(
    _flag_text,
    _flag,
    {"anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}]},
    {"type": "boolean"},
)


# ids


def _user(value: object, release: Release) -> Id:
    return parse_id(value, release.users.type)


def _item(value: object, release: Release) -> Id:
    return parse_id(value, release.items.type)


def _items(values: Sequence[object], release: Release) -> list[Id]:
    check_length(values, MAX_LIST)
    id_type: IdType = release.items.type
    return [parse_id(value, id_type) for value in values]


def _items_json(value: object, release: Release) -> list[Id]:
    return _items(array(value), release)


def array(value: object) -> list[object]:
    """Return a JSON value that must be an array."""
    if not isinstance(value, list):
        raise ValueError(f"{shown(value)} is not an array")
    return value


def check_length(values: Sequence[object], most: int) -> None:
    """Refuse lists that are too long."""
    if len(values) > most:
        raise ValueError(f"{len(values)} entries; at most {most} are accepted")


def split(values: list[str]) -> list[str]:
    """Take comma-separated and repeated values apart."""
    return [part for value in values for part in value.split(",") if part]


USER = Kind(
    lambda values, release: _user(one(values), release),
    _user,
    {"$ref": "#/components/schemas/UserIdText"},
    {"$ref": "#/components/schemas/UserId"},
)
ITEM = Kind(
    lambda values, release: _item(one(values), release),
    _item,
    {"$ref": "#/components/schemas/ItemIdText"},
    {"$ref": "#/components/schemas/ItemId"},
)
ITEMS = Kind(
    lambda values, release: _items(split(values), release),
    _items_json,
    {"type": "array", "items": {"$ref": "#/components/schemas/ItemIdText"}, "maxItems": MAX_LIST},
    {"type": "array", "items": {"$ref": "#/components/schemas/ItemId"}, "maxItems": MAX_LIST},
)


# categories


def _categories_text(values: list[str], release: Release) -> list[str]:
    """Take a value with commas whole if it is the name of a category, else as a list."""
    names: list[str] = []
    for value in values:
        whole = "," not in value or value in release.catalogue.category_names
        names += [value] if whole else split([value])
    return _categories(names, release)


def _categories(value: object, release: Release) -> list[str]:
    values = [value] if isinstance(value, str) else array(value)
    check_length(values, MAX_CATEGORIES)
    return [read_text(name, release) for name in values]


_CATEGORIES_SCHEMA = {"type": "array", "items": TEXT_SCHEMA, "maxItems": MAX_CATEGORIES}
CATEGORIES = Kind(_categories_text, _categories, _CATEGORIES_SCHEMA, {"anyOf": [TEXT_SCHEMA, _CATEGORIES_SCHEMA]})


# how ids are rendered


def _as_string(value: object, _: Release) -> bool:
    if value != "string":
        raise ValueError(f"{shown(value)} is not a way to render ids; valid: string")
    return True


_AS_STRING_SCHEMA = {"type": "string", "enum": ["string"]}
AS_STRING = Kind(
    lambda values, release: _as_string(one(values), release),
    _as_string,
    _AS_STRING_SCHEMA,
    _AS_STRING_SCHEMA,
)
