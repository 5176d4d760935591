"""The kinds of values that only /mix takes; see `kinds`."""

import re
from collections.abc import Sequence

from service.cg.mixigen import STRATEGIES
from service.kinds import TEXT_SCHEMA, Kind, array, check_length, one, read_text, shown, split
from service.registry import Release

MAX_CGS = 32
MAX_SHARE = 1e6
LATEST = 253_370_764_800
"""The first day of the year 9999: later times have no calendar in every timezone."""
_SECONDS = re.compile("0|[1-9][0-9]{0,11}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?|\.[0-9]{1,18}", re.ASCII)


# generators to be blended


def _names(values: Sequence[object], release: Release) -> list[str]:
    check_length(values, MAX_CGS)
    return [read_text(name, release) for name in values]


_NAMES_SCHEMA = {"type": "array", "items": TEXT_SCHEMA, "maxItems": MAX_CGS}
NAMES = Kind(
    lambda values, release: _names(split(values), release),
    lambda value, release: _names(array(value), release),
    _NAMES_SCHEMA,
    _NAMES_SCHEMA,
)


def _share(name: object, value: object, release: Release) -> tuple[str, float]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SHARE:
        raise ValueError(f"{shown(value)} is not a share of {shown(name)}; wanted a number from 0 to {MAX_SHARE:g}")
    return read_text(name, release), float(value)


def _shares(pairs: Sequence[tuple[object, object]], release: Release) -> dict[str, float]:
    check_length(pairs, MAX_CGS)
    shares: dict[str, float] = {}
    for name, value in pairs:
        known, share = _share(name, value, release)
        if known in shares:
            raise ValueError(f"{shown(known)} is given twice; wanted one share for each")
        shares[known] = share
    return shares


def _shares_text(values: list[str], release: Release) -> dict[str, float]:
    pairs: list[tuple[object, object]] = []
    for part in split(values):
        name, colon, value = part.rpartition(":")
        if not colon or not _NUMBER.fullmatch(value):
            raise ValueError(f"{shown(part)} is not name:share, like ease:0.4")
        pairs.append((name, float(value)))
    return _shares(pairs, release)


def _shares_json(value: object, release: Release) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(f'{shown(value)} is not an object of shares, like {{"ease": 0.4}}')
    return _shares(list(value.items()), release)


SHARES = Kind(
    _shares_text,
    _shares_json,
    {"type": "array", "items": {"type": "string", "pattern": "^.+:[0-9.]+$"}, "maxItems": MAX_CGS},
    {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": MAX_SHARE}},
)


def _strategy(value: object, _: Release) -> str:
    if value not in tuple(STRATEGIES):
        raise ValueError(f"{shown(value)} is not a strategy; valid: {', '.join(STRATEGIES)}")
    return str(value)


_STRATEGY_SCHEMA = {"type": "string", "enum": list(STRATEGIES)}
STRATEGY = Kind(lambda values, release: _strategy(one(values), release), _strategy, _STRATEGY_SCHEMA, _STRATEGY_SCHEMA)


# where a request is made


def _place(value: object, release: Release) -> str:
    """Take a number for its decimal form: stores often have numbers for names."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return str(value)
    return read_text(value, release)


PLACE = Kind(
    lambda values, release: read_text(one(values), release),
    _place,
    TEXT_SCHEMA,
    {"anyOf": [TEXT_SCHEMA, {"type": "integer"}]},
)


# when


def _seconds(value: object, _: Release) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LATEST:
        raise ValueError(f"{shown(value)} is not a time in unix seconds from 0 to {LATEST} (the year 9999)")
    return value


def _seconds_text(values: list[str], release: Release) -> int:
    text = one(values)
    return _seconds(int(text) if _SECONDS.fullmatch(text) else text, release)


_SECONDS_SCHEMA = {"type": "integer", "minimum": 0, "maximum": LATEST}
SECONDS = Kind(_seconds_text, _seconds, _SECONDS_SCHEMA, _SECONDS_SCHEMA)
