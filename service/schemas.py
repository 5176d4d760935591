"""The bodies of answers as OpenAPI describes them; `render` writes them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Base: what a docstring says is what /docs says."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class Item(Body):
    """One candidate."""

    item_id: int | str
    score: float | None
    """The generator's own score; null for fill."""
    fill: bool = False
    """Present and true where the item only fills the list up to n from the popular ones."""


class Candidates(Body):
    """Candidates of one generator for one user, best first."""

    user_id: int | str
    cg: str
    release: str
    user_known: bool
    """Whether the history provider or the generator knows the user."""
    fallback: Literal["popular"] | None
    """`popular` when all items are fill."""
    returned: int
    items: list[Item]
    unknown_items: list[int | str]
    """Ids of the given history that the release does not have."""
    degraded: list[str]
    """Parts that did not answer in time: `history`."""


class Source(Body):
    """A generator that had an item."""

    cg: str
    cg_rank: int
    """From 1, in its own list."""
    score: float
    """Its own score."""


class MixItem(Item):
    """One candidate of a blend."""

    score: float | None
    """What won the place: MixiGen's score, or the sum of rrf; else the generator's own; null for fill."""
    cg: str | None
    """The generator that supplied it; null for fill."""
    cg_rank: int | None
    """Its rank in that generator's list, from 1; null for fill."""
    sources: list[Source] = []
    """With `explain`: all generators that had it among what was fetched of their lists."""


class Mix(Body):
    """Candidates of several generators blended for one user, best first."""

    user_id: int | str
    cg: Literal["mix"]
    strategy: Literal["mixigen", "round_robin", "quota", "rrf"]
    """The one that was used: `rrf` where `degraded` names `mixigen`."""
    release: str
    user_known: bool
    """Whether the history provider or one of the generators knows the user."""
    fallback: Literal["popular"] | None
    """`popular` when all items are fill."""
    returned: int
    slots: dict[str, int]
    """How many items each generator supplied; fill is not counted."""
    items: list[MixItem]
    unknown_items: list[int | str]
    """Ids of the given history that the release does not have."""
    degraded: list[str]
    """Parts that failed or did not answer in time: `cg:NAME`, `mixigen`, `history`."""


class SimilarItem(Body):
    """One item that goes with the item asked for."""

    item_id: int | str
    score: float


class SimilarItems(Body):
    """What goes with an item, best first."""

    item_id: int | str
    cg: str
    release: str
    returned: int
    items: list[SimilarItem]


class Problem(Body):
    """RFC 9457 problem details; every error has this body."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] = []
    """On 422: each parameter at fault, with `name`, `in` and `message`."""
    valid: list[str] = []
    """The candidate generators that would have been possible."""


class FailedRequest(Body):
    """A request of a batch that could not be answered."""

    user_id: int | str | None
    error: Problem


class BatchAnswer(Body):
    """Answers in the order of the requests."""

    results: list[Candidates | FailedRequest]


class CG(Body):
    """A candidate generator."""

    name: str
    algorithm: str
    version: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    bytes: int
    """Size of its arrays, memory-mapped and shared by the workers."""
    default: bool
    """Whether it answers requests that name none."""
    similar: bool
    """Whether it can answer /similar."""
    created: str
    fit_seconds: float | None
    trained_on_data: bool
    """False when it was fitted on other events than the release's histories and popularity."""


class MixiGen(Body):
    """The learned blender."""

    version: str
    cgs: list[str]
    """The generators it was trained on, and blends when /mix names none."""
    config: dict[str, Any]
    metrics: dict[str, Any]
    bytes: int
    created: str
    fit_seconds: float | None
    trained_on_data: bool


class CGs(Body):
    """The candidate generators of the served release."""

    release: str
    cgs: list[CG]
    mixigen: MixiGen | None
    """What blends them; null if the release has none, then /mix does without."""


class StoredRelease(Body):
    """A release in the store."""

    release: str
    current: bool
    """Whether CURRENT names it."""
    created: str | None = None
    parent: str | None = None
    artifacts: dict[str, str] = {}
    exclude_seen: bool | None = None
    default_cg: str | None = None
    metrics: dict[str, Any] = {}
    error: str | None = None
    """Present when its manifest cannot be read."""


class Worker(Body):
    """A worker process and the release that it serves."""

    pid: int
    release: str | None
    split: list[str] = []
    """The releases of the split that it serves besides."""


class Releases(Body):
    """The store's releases, newest first, and what each worker serves."""

    current: str | None
    workers: list[Worker]
    releases: list[StoredRelease]


class Accepted(Body):
    """Events that were taken."""

    accepted: int
    """How many were new by their event_id, and interactions."""


class Forgotten(Body):
    """A user that was forgotten."""

    user_id: int | str
    forgotten: Literal[True]


class ReloadAccepted(Body):
    """The workers will look at the store; /releases tells what they serve."""

    status: Literal["accepted"]
    current: str | None
    """What CURRENT names."""


class Blocked(Body):
    """An item and whether it is taken off."""

    item_id: int | str
    blocked: bool


class Health(Body):
    """Whether the worker lives, or is ready."""

    status: Literal["live", "ready"]
    release: str | None = None
