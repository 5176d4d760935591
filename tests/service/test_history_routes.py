"""POST and DELETE /history, and that the next answer knows of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.client import Client, running
from tests.stores import item_id, tiny_store, user_id


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("live")
    tiny_store(root)
    with running(root, history="memory") as started:
        yield started


def post(client: Client, user: object, *events: object, **more: object):
    return client.post(f"/history/{user}", json={"events": list(events)}, **more)


def items(client: Client, user: object, query: str = "") -> list[int]:
    answer = client.get(f"/candidates/{user}?n=8&{query}").json()
    return [item["item_id"] for item in answer["items"]]


def test_the_next_answer_builds_on_what_was_posted(live: Client) -> None:
    user = user_id(0)  # has items 0 to 2
    before = live.get(f"/candidates/{user}?n=8&cg=personal_top&exclude_seen=false").json()
    assert {item_id(5), item_id(6)} <= set(items(live, user))
    response = post(live, user, {"item_id": item_id(5), "event_id": "a"}, {"item_id": item_id(6), "timestamp": 5})
    assert (response.status_code, response.json()) == (202, {"accepted": 2})
    assert not {item_id(5), item_id(6)} & set(items(live, user))
    after = live.get(f"/candidates/{user}?n=8&cg=personal_top&exclude_seen=false").json()
    own = [[i["item_id"] for i in a["items"] if i["score"] is not None] for a in (before, after)]
    assert set(own[1]) - set(own[0]) == {item_id(5), item_id(6)}
    mixed = live.get(f"/mix/{user}?n=8").json()
    assert not {item_id(5), item_id(6)} & {item["item_id"] for item in mixed["items"]}


def test_a_new_user_gets_personal_answers(live: Client) -> None:
    assert live.get("/candidates/77").json()["user_known"] is False
    post(live, 77, {"item_id": item_id(1)})
    answer = live.get("/candidates/77").json()
    assert answer["user_known"] is True
    assert answer["fallback"] is None
    assert answer["degraded"] == []


def test_once_by_event_id(live: Client) -> None:
    event = {"item_id": item_id(1), "event_id": "x"}
    assert post(live, 78, event, event).json() == {"accepted": 1}
    assert post(live, 78, event, {**event, "event_id": "y"}).json() == {"accepted": 1}
    assert post(live, 79, event).json() == {"accepted": 1}
    assert post(live, 80, {"item_id": item_id(1)}, {"item_id": item_id(1)}).json() == {"accepted": 2}


def test_views_are_no_interactions_and_unknown_items_are_kept(live: Client) -> None:
    assert post(live, 81, {"item_id": item_id(1), "action_type": "AT_View"}).json() == {"accepted": 0}
    assert live.get("/candidates/81").json()["user_known"] is False
    assert post(live, 81, {"item_id": 12345, "action_type": "AT_Purchase"}).json() == {"accepted": 1}
    assert live.get("/candidates/81").json()["user_known"] is True


def test_a_forgotten_user_is_unknown_then_starts_anew(live: Client) -> None:
    user = user_id(1)
    post(live, user, {"item_id": item_id(5)})
    response = live.request("DELETE", f"/history/{user}")
    assert (response.status_code, response.json()) == (200, {"user_id": user, "forgotten": True})
    answer = live.get(f"/candidates/{user}?n=8").json()
    assert (answer["user_known"], answer["fallback"], answer["returned"]) == (False, "popular", 8)
    post(live, user, {"item_id": item_id(5)})
    answer = live.get(f"/candidates/{user}?n=8").json()
    assert (answer["user_known"], answer["returned"]) == (True, 7)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "events"),
        ({"events": 5}, "events"),
        ({"events": [], "more": 1}, "more"),
        ({"events": [{}] * 1001}, "events"),
        ({"events": [5]}, "events.0"),
        ({"events": [{"item_id": 1}, {}]}, "events.1.item_id"),
        ({"events": [{"item_id": "x"}]}, "events.0.item_id"),
        ({"events": [{"item_id": 1, "timestamp": -1}]}, "events.0.timestamp"),
        ({"events": [{"item_id": 1, "timestamp": 1e300}]}, "events.0.timestamp"),
        ({"events": [{"item_id": 1, "action_type": "AT_Love"}]}, "events.0.action_type"),
        ({"events": [{"item_id": 1, "event_id": 5}]}, "events.0.event_id"),
        ({"events": [{"item_id": 1, "event_id": "a\0b"}]}, "events.0.event_id"),
        ({"events": [{"item_id": 1, "event_id": "ü" * 65}]}, "events.0.event_id"),
        ({"events": [{"item_id": 1, "nope": 5}]}, "events.0.nope"),
    ],
)
def test_bad_bodies(live: Client, body: object, name: str) -> None:
    response = live.post("/history/1", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["name"] == name


def test_bad_users_and_media(live: Client) -> None:
    assert post(live, "x").status_code == 422
    assert live.request("DELETE", "/history/01").status_code == 422
    assert live.post("/history/1", content=b"{").status_code == 400
    assert live.get("/history/1").status_code == 405


def test_the_snapshot_takes_no_events(client: Client) -> None:
    for response in (post(client, 1), client.request("DELETE", "/history/1")):
        assert response.status_code == 409
        assert "CANDGEN_HISTORY=redis" in response.json()["detail"]


def test_a_key_guards_writing_where_one_is_set(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    with running(tmp_path, history="memory", api_key="sesam-ü") as client:
        assert post(client, 1).status_code == 401
        wrong = post(client, 1, headers={"X-API-Key": "sesam"})
        assert wrong.status_code == 401
        assert "WWW-Authenticate" in wrong.headers
        assert "sesam" not in wrong.text
        assert client.request("DELETE", "/history/1").status_code == 401
        assert post(client, 1, headers={"X-API-Key": "sesam-ü".encode()}).status_code == 202
        assert client.get("/candidates/1").status_code == 200
