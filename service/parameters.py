"""From what a caller sent (path, query or JSON) to a request of the domain: the one way in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from service import kinds, mix_kinds
from service.errors import CandgenError
from service.generate import Request
from service.ids import Id
from service.kinds import Kind, shown
from service.mix import MixRequest
from service.record import record
from service.registry import Release


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name that a caller may send."""

    kind: Kind
    field: str
    """The name in the domain's request."""
    description: str


USER_ID = Parameter(kinds.USER, "user_id", "The user; one that nobody knows gets popular items.")
_USER_ID: Mapping[str, Parameter] = {USER_ID.field: USER_ID}
MAX_BATCH = 64

ITEM_ID = Parameter(kinds.ITEM, "item_id", "The item.")
_CG: Mapping[str, Parameter] = {
    "cg": Parameter(kinds.TEXT, "cg", "Candidate generator, one of `/cgs`; absent: the release's default."),
}
_FILTERS: Mapping[str, Parameter] = {
    "n": Parameter(kinds.COUNT, "n", "How many items."),
    "exclude": Parameter(kinds.ITEMS, "exclude", "Items not to return; unknown ones are ignored."),
    "allow": Parameter(kinds.ITEMS, "allow", "Return only these items; unknown ones are ignored."),
    "category": Parameter(kinds.CATEGORIES, "categories", "Return only items of these categories."),
    "ids": Parameter(
        kinds.AS_STRING, "ids_as_strings", "`string`: render all ids as strings (JavaScript loses digits)."
    ),
}
_USER: Mapping[str, Parameter] = {
    **_FILTERS,
    "exclude_seen": Parameter(
        kinds.FLAG, "exclude_seen", "Leave out what the history holds; absent: the release's default."
    ),
    "history": Parameter(
        kinds.ITEMS, "history", "Items to use instead of the stored history, oldest first; repeats count."
    ),
}
SIMILAR: Mapping[str, Parameter] = {**_CG, **_FILTERS}
CANDIDATES: Mapping[str, Parameter] = {**_CG, **_USER}
MIX: Mapping[str, Parameter] = {
    "cgs": Parameter(mix_kinds.NAMES, "cgs", "Generators to blend; absent: the MixiGen's, or all but `popular`."),
    "strategy": Parameter(
        mix_kinds.STRATEGY, "strategy", "How to blend; absent: `mixigen`, or `rrf` if the release has no MixiGen."
    ),
    "shares": Parameter(
        mix_kinds.SHARES, "shares", "With `quota`: generator:share, of any sum; those not named supply at the end."
    ),
    "explain": Parameter(kinds.FLAG, "explain", "Say for each item which generators had it."),
    "city_name": Parameter(mix_kinds.PLACE, "city_name", "Where the user is; any value is valid."),
    "store_id": Parameter(mix_kinds.PLACE, "store_id", "Which store serves the user; any value is valid."),
    "timestamp": Parameter(mix_kinds.SECONDS, "timestamp", "Unix seconds of the request; absent: now."),
    **_USER,
}
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one parameter."""

    name: str
    where: str
    """path, query or body."""
    message: str


class InvalidParametersError(CandgenError):
    """A caller's parameters cannot be used; says all that is wrong with them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.name}: {fault.message}" for fault in faults[:3]))
        self.faults = list(faults)


@record
class Asked(Generic[R]):
    """A request of the domain and how to render its answer."""

    request: R
    ids_as_strings: bool


Memo = dict[Any, Mapping[str, Any]]
"""What was read of short queries for one release: (kind of request, query) → values."""
MEMO_SIZE, MEMO_QUERY_BYTES = 512, 64


def from_query(user: str, query: bytes, release: Release, memo: Memo | None = None) -> Asked[Request]:
    """Read GET /candidates/{user_id}; with a memo, a short query that was read before is not read again."""
    return _user_query(user, query, CANDIDATES, release, Request, memo)


def from_body(body: object, release: Release) -> Asked[Request]:
    """Read POST /candidates, or one request of a batch."""
    return _user_body(body, CANDIDATES, release, Request)


def mix_from_query(user: str, query: bytes, release: Release, memo: Memo | None = None) -> Asked[MixRequest]:
    """Read GET /mix/{user_id}, likewise."""
    return _user_query(user, query, MIX, release, MixRequest, memo)


def mix_from_body(body: object, release: Release) -> Asked[MixRequest]:
    """Read POST /mix."""
    return _user_body(body, MIX, release, MixRequest)


def similar_from_query(item: str, query: bytes, release: Release) -> tuple[Id, Asked[Request]]:
    """Read GET /similar/{item_id}."""
    values, faults = _read_query(query, SIMILAR, release)
    item_id = _collect({ITEM_ID.field: item}, {"item_id": ITEM_ID}, release, faults, "path").get("item_id", 0)
    return item_id, _asked({"user_id": item_id, **values}, faults, Request)


def _user_query(
    user: str,
    query: bytes,
    names: Mapping[str, Parameter],
    release: Release,
    make: Callable[..., R],
    memo: Memo | None,
) -> Asked[R]:
    known = memo.get((make, query)) if memo else None
    values, faults = ({**known}, []) if known is not None else _read_query(query, names, release)
    if memo is not None and known is None and not faults and len(query) <= MEMO_QUERY_BYTES:
        if len(memo) >= MEMO_SIZE:
            memo.clear()
        memo[make, query] = {**values}
    values |= _collect({USER_ID.field: user}, _USER_ID, release, faults, "path")
    return _asked(values, faults, make)


def _user_body(body: object, names: Mapping[str, Parameter], release: Release, make: Callable[..., R]) -> Asked[R]:
    faults: list[Fault] = []
    values = _collect(require_object(body), {**_USER_ID, **names}, release, faults, "body")
    if "user_id" not in values and not any(fault.name == "user_id" for fault in faults):
        faults.append(Fault("user_id", "body", "missing; wanted the id of a user"))
    return _asked(values, faults, make)


def require_object(body: object) -> Mapping[str, Any]:
    """Return a JSON value that must be an object."""
    if not isinstance(body, dict):
        raise InvalidParametersError([Fault("body", "body", f"{shown(body)} is not a JSON object")])
    return body


def decoded_path_value(value: str, raw_path: bytes) -> str:
    """Refuse a path that is not UTF-8: the server has put U+FFFD where bytes could not be read."""
    if "\ufffd" in value:
        try:
            unquote_to_bytes(raw_path).decode()
        except UnicodeDecodeError:
            raise InvalidParametersError([Fault("path", "path", "not valid UTF-8")]) from None
    return value


def _read_query(query: bytes, names: Mapping[str, Parameter], release: Release) -> tuple[dict[str, Any], list[Fault]]:
    given: dict[str, list[str]] = {}
    if query:
        try:
            pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise InvalidParametersError([Fault("query", "query", "not valid UTF-8")]) from None
        for name, value in pairs:
            given.setdefault(name, []).extend([value] if value else [])
    faults: list[Fault] = []
    return _collect(given, names, release, faults, "query"), faults


def _collect(
    given: Mapping[str, Any],
    names: Mapping[str, Parameter],
    release: Release,
    faults: list[Fault],
    where: str,
) -> dict[str, Any]:
    """Read every value by its kind; note what is wrong; an empty value is an absent one."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        parameter = names.get(name)
        if parameter is None:
            faults.append(Fault(name[:60], where, f"no such parameter; valid: {', '.join(sorted(names))}"))
        elif value is not None and value not in ("", []):
            try:
                values[parameter.field] = _read(parameter.kind, value, release, where)
            except ValueError as error:
                faults.append(Fault(name, where, str(error)))
    return values


def _read(kind: Kind, value: Any, release: Release, where: str) -> Any:
    if where == "body":
        return kind.from_json(value, release)
    return kind.from_text(value if isinstance(value, list) else [value], release)


def _asked(values: dict[str, Any], faults: list[Fault], make: Callable[..., R]) -> Asked[R]:
    if faults:
        raise InvalidParametersError(faults)
    ids_as_strings = values.pop("ids_as_strings", False)
    return Asked(make(**values), ids_as_strings)


def batch(body: object) -> list[object]:
    """Return the requests of POST /candidates:batch, not read yet."""
    given = require_object(body)
    faults = [Fault(name[:60], "body", "no such field; valid: requests") for name in given if name != "requests"]
    requests = given.get("requests")
    if not isinstance(requests, list):
        faults.append(Fault("requests", "body", f"{shown(requests)} is not an array of requests"))
    elif len(requests) > MAX_BATCH:
        faults.append(Fault("requests", "body", f"{len(requests)} requests; at most {MAX_BATCH} are accepted"))
    if faults:
        raise InvalidParametersError(faults)
    return list(requests or [])


def echoed_user(body: object) -> Id | None:
    """Return the user of a request that failed, if it gave anything like an id."""
    user = body.get("user_id") if isinstance(body, dict) else None
    usable = isinstance(user, int | str) and not isinstance(user, bool) and len(str(user)) <= 256
    return user if usable else None
