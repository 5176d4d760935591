"""Reads the body of POST /history: events, each checked by the same kinds as other parameters."""

import time
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from service import kinds, mix_kinds
from service.history_live import Event
from service.kinds import Kind, shown
from service.parameters import Fault, InvalidParametersError, Parameter, require_object
from service.registry import Release

MAX_EVENTS = 1000
"""In one body."""
MAX_EVENT_ID_BYTES = 128
ACTIONS = {"AT_View": False, "AT_Click": False, "AT_CartUpdate": True, "AT_Purchase": True}
"""Actions and whether they are interactions: what a history is made of."""


def _action(value: object, _: Release) -> bool:
    if not isinstance(value, str) or value not in ACTIONS:
        raise ValueError(f"{shown(value)} is not an action; valid: {', '.join(ACTIONS)}")
    return ACTIONS[value]


def _event_id(value: object, _: Release) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{shown(value)} is not a text without NUL")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("holds a lone surrogate; wanted valid Unicode text") from None
    if size > MAX_EVENT_ID_BYTES:
        raise ValueError(f"{size} bytes long; at most {MAX_EVENT_ID_BYTES} are accepted")
    return value


def _of_json(read: Any, schema: dict[str, Any]) -> Kind:
    return Kind(lambda values, release: read(kinds.one(values), release), read, schema, schema)


EVENT: Mapping[str, Parameter] = {
    "item_id": Parameter(kinds.ITEM, "item", "The item; one that no release has (yet) is kept."),
    "timestamp": Parameter(mix_kinds.SECONDS, "timestamp", "Unix seconds; absent: now."),
    "action_type": Parameter(
        _of_json(_action, {"type": "string", "enum": list(ACTIONS)}),
        "counts",
        "Absent: `AT_CartUpdate`. Views and clicks are no part of a history: neither kept nor counted.",
    ),
    "event_id": Parameter(
        _of_json(_event_id, {"type": "string", "minLength": 1, "maxLength": MAX_EVENT_ID_BYTES}),
        "event_id",
        "An event of a user is accepted once; absent: it is another event each time.",
    ),
}


def read_events(body: object, release: Release) -> list[Event]:
    """Return the interactions of a body, in its order.

    Raises:
        InvalidParametersError: says all that is wrong with it.
    """
    given = require_object(body)
    faults = [Fault(name[:60], "body", "no such field; valid: events") for name in given if name != "events"]
    listed: Any = given.get("events")
    if not isinstance(listed, list):
        faults.append(Fault("events", "body", f"{shown(listed)} is not an array of events"))
    elif len(listed) > MAX_EVENTS:
        faults.append(Fault("events", "body", f"{len(listed)} events; at most {MAX_EVENTS} are accepted"))
    events: list[Event] = []
    if not faults:
        now = int(time.time())
        events = [event for place, one in enumerate(listed) if (event := _event(one, place, now, release, faults))]
    if faults:
        raise InvalidParametersError(faults)
    return events


def _event(given: object, place: int, now: int, release: Release, faults: list[Fault]) -> Event | None:
    """Read one event; None if it is no interaction, or at fault."""
    before = len(faults)
    if not isinstance(given, dict):
        faults.append(Fault(f"events.{place}", "body", f"{shown(given)} is not a JSON object"))
        return None
    values: dict[str, Any] = {"timestamp": now, "counts": True, "event_id": f"\1{token_hex(8)}"}
    for name, value in given.items():
        parameter = EVENT.get(name)
        if parameter is None:
            faults.append(Fault(f"events.{place}.{name[:60]}", "body", f"no such field; valid: {', '.join(EVENT)}"))
        elif value is not None and value != "":
            try:
                values[parameter.field] = parameter.kind.from_json(value, release)
            except ValueError as error:
                faults.append(Fault(f"events.{place}.{name}", "body", str(error)))
    if "item" not in values and len(faults) == before:
        faults.append(Fault(f"events.{place}.item_id", "body", "missing; wanted the id of an item"))
    if len(faults) > before or not values.pop("counts"):
        return None
    return Event(**values)
