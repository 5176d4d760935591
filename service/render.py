"""Writes answers as JSON: the one seam (orjson)."""

from typing import Any

import orjson

from service.cg.base import Candidates
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
    items = _scored(release, found.result.own, ids_as_strings)
    if len(found.result.fill):
        fill = _rendered(release.items.ids_of(found.result.fill), ids_as_strings)
        items += [{"item_id": item, "score": None, "fill": True} for item in fill]
    return {
        "user_id": str(request.user_id) if ids_as_strings else request.user_id,
        "cg": found.cg,
        "release": release.name,
        "user_known": found.user_known,
        "fallback": found.fallback,
        "returned": len(items),
        "items": items,
        "unknown_items": _rendered(list(found.unknown_items), ids_as_strings),
        "degraded": found.degraded,
    }


def mix(release: Release, request: MixRequest, found: MixAnswer, ids_as_strings: bool) -> dict[str, Any]:
    """Return the body of a blended answer."""
    items = _blended(release, found, ids_as_strings)
    fill = _rendered(release.items.ids_of(found.result.fill), ids_as_strings)
    items += [{"item_id": item, "score": None, "fill": True, "cg": None, "cg_rank": None} for item in fill]
    return {
        "user_id": str(request.user_id) if ids_as_strings else request.user_id,
        "cg": "mix",
        "strategy": found.strategy,
        "release": release.name,
        "user_known": found.user_known,
        "fallback": found.fallback,
        "returned": len(items),
        "slots": found.slots,
        "items": items,
        "unknown_items": _rendered(list(found.unknown_items), ids_as_strings),
        "degraded": found.degraded,
    }


def _blended(release: Release, found: MixAnswer, ids_as_strings: bool) -> list[dict[str, Any]]:
    names, blend = found.cgs, found.blend
    items = _scored(release, found.result.own, ids_as_strings)
    for item, cg, rank in zip(items, blend.cg.tolist(), blend.cg_rank.tolist(), strict=True):
        item |= {"cg": names[cg], "cg_rank": rank}
    for item, sources in zip(items, found.sources, strict=False):  # none unless asked for
        item["sources"] = [
            {"cg": names[source.cg], "cg_rank": source.rank, "score": source.score} for source in sources
        ]
    return items


def similar(release: Release, found: Similar, ids_as_strings: bool) -> dict[str, Any]:
    """Return the body of an answer to /similar."""
    return {
        "item_id": str(found.item_id) if ids_as_strings else found.item_id,
        "cg": found.cg,
        "release": release.name,
        "returned": len(found.result),
        "items": _scored(release, found.result, ids_as_strings),
    }


def _scored(release: Release, candidates: Candidates, ids_as_strings: bool) -> list[dict[str, Any]]:
    ids = _rendered(release.items.ids_of(candidates.items), ids_as_strings)
    # iterating the array keeps float32 scalars; .tolist() would print 0.8299999833106995 for 0.83
    return [{"item_id": item, "score": score} for item, score in zip(ids, candidates.scores, strict=True)]


def _rendered(ids: list[Id], as_strings: bool) -> list[Id]:
    return [str(key) for key in ids] if as_strings else ids
