"""Writes answers as JSON: the one seam (orjson)."""

from collections.abc import Sequence
from typing import Any

import orjson
from orjson import Fragment

from service.cg.base import NO_ITEMS
from service.generate import Answer, Request
from service.ids import Id
from service.mix import MixAnswer, MixRequest
from service.registry import Release
from service.similar import Similar


def dumps(value: object) -> bytes:
    """Write JSON; float32 scalars come out in their shortest form that reads back the same."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def answer(release: Release, request: Request, found: Answer, ids_as_strings: bool) -> dict[str, Any]:
    """Return the body of an answer, ready for `dumps`."""
    return {
        "user_id": str(request.user_id) if ids_as_strings else request.user_id,
        "cg": found.cg,
        "release": release.name,
        "user_known": found.user_known,
        "fallback": found.fallback,
        "returned": len(found.result),
        "items": Fragment(release.item_json(ids_as_strings).items(found.result.own, found.result.fill)),
        "unknown_items": _rendered(found.unknown_items, ids_as_strings),
        "degraded": found.degraded,
    }


def mix(release: Release, request: MixRequest, found: MixAnswer, ids_as_strings: bool) -> dict[str, Any]:
    """Return the body of a blended answer."""
    return {
        "user_id": str(request.user_id) if ids_as_strings else request.user_id,
        "cg": "mix",
        "strategy": found.strategy,
        "release": release.name,
        "user_known": found.user_known,
        "fallback": found.fallback,
        "returned": len(found.result),
        "slots": found.slots,
        "items": _blended(release, found, ids_as_strings),
        "unknown_items": _rendered(found.unknown_items, ids_as_strings),
        "degraded": found.degraded,
    }


def _blended(release: Release, found: MixAnswer, ids_as_strings: bool) -> Any:
    blend, result = found.blend, found.result
    items = release.item_json(ids_as_strings).blend(result.own, found.cgs, blend.cg, blend.cg_rank, result.fill)
    if not found.sources:  # none unless asked for
        return Fragment(items)
    explained = orjson.loads(items)
    for item, sources in zip(explained, found.sources, strict=False):
        item["sources"] = [
            {"cg": found.cgs[source.cg], "cg_rank": source.rank, "score": source.score} for source in sources
        ]
    return explained


def similar(release: Release, found: Similar, ids_as_strings: bool) -> dict[str, Any]:
    """Return the body of an answer to /similar."""
    return {
        "item_id": str(found.item_id) if ids_as_strings else found.item_id,
        "cg": found.cg,
        "release": release.name,
        "returned": len(found.result),
        "items": Fragment(release.item_json(ids_as_strings).items(found.result, NO_ITEMS)),
    }


def _rendered(ids: Sequence[Id], as_strings: bool) -> list[Id]:
    return [str(key) for key in ids] if as_strings else list(ids)
