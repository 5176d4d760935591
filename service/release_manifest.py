"""What a release is made of: its manifest and its name, and which artifacts go together."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.artifact import NAME_PATTERN, Manifest
from service.errors import StoreError

RELEASE_PATTERN = r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{6}$"
DATA = "data"
MIXIGEN = "mixigen"
"""Name and algorithm of the artifact that blends generators; it is not one itself."""
POPULAR = "popular"


class ReleaseManifest(BaseModel):
    """One version of every artifact that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    release: str = Field(pattern=RELEASE_PATTERN)
    created: str
    parent: str | None = Field(pattern=RELEASE_PATTERN)
    artifacts: dict[str, str]
    """Name of the artifact → version."""
    metrics: dict[str, Any] = {}
    exclude_seen: bool = True
    default_cg: str = Field(pattern=NAME_PATTERN)


def new_name(releases: Sequence[str]) -> str:
    """Return a name that sorts after all others, also where the clock has gone back."""
    stamp = datetime.now(UTC)
    if releases:
        last = datetime.strptime(releases[-1][:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        stamp = max(stamp, datetime.fromtimestamp(last.timestamp() + 1, UTC))
    return f"{stamp:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def valid_name(name: str) -> str:
    """Return the name of a release as it is; refuse any other text."""
    if not re.fullmatch(RELEASE_PATTERN, name):
        raise StoreError(f"{name[:60]!r} is not the name of a release; `python -m training releases` lists them")
    return name


def now() -> str:
    """Return the time as manifests write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_together(manifests: Sequence[Manifest]) -> None:
    """Refuse artifacts, the data among them, that do not make a release."""
    data = next(manifest for manifest in manifests if manifest.name == DATA)
    for other in manifests:
        types = (other.item_id_type, other.user_id_type)
        if types != (data.item_id_type, data.user_id_type):
            raise StoreError(
                f"{other.name} has {types[0]} item ids and {types[1]} user ids, the data "
                f"{data.item_id_type} and {data.user_id_type}; cast the columns alike, fit all models "
                "on the same events, or use another --store"
            )
    _check_mixigen(manifests)


def _check_mixigen(manifests: Sequence[Manifest]) -> None:
    for manifest in manifests:
        if (manifest.name == MIXIGEN) != (manifest.algorithm == MIXIGEN):
            raise StoreError(
                f"{manifest.name} is made by {manifest.algorithm}; the name {MIXIGEN!r} is that of the blender alone, "
                "choose another --name"
            )
        if manifest.name == MIXIGEN:
            trained = (manifest.config.get("schema") or {}).get("cgs") or []
            names = {POPULAR, *(other.name for other in manifests)} - {DATA, MIXIGEN}
            missing = [name for name in trained if name not in names]
            if missing or not trained:
                raise StoreError(lacks_cgs(trained, missing))


def lacks_cgs(trained: Sequence[str], missing: Sequence[str]) -> str:
    """Say that a MixiGen and a release do not go together."""
    return (
        f"the MixiGen was trained on {', '.join(trained)}, but the release lacks {', '.join(missing)}; "
        "fit what is missing, or train the MixiGen again"
    )


def choose_default_cg(asked: str | None, inherited: str | None, artifacts: Mapping[str, str]) -> str:
    """Return the CG that answers where none is asked for: the one asked for, the base's, or the first."""
    names = [*(name for name in artifacts if name not in (DATA, MIXIGEN)), POPULAR]
    if asked is not None and asked not in names:
        raise StoreError(f"the release has no CG {asked!r} to be its default; it has: {', '.join(names)}")
    return asked or (inherited if inherited in names else None) or names[0]
