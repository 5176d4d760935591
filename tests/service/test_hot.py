"""The short way says what the long way says, and is the one that is taken."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import orjson
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service import hot
from tests.service.client import Client
from tests.stores import item_id, user_id

USER = user_id(0)
GOOD = [
    f"/candidates/{USER}",
    f"/candidates/{USER}?cg=slim&n=3",
    f"/candidates/{USER}?cg=personal_top&exclude_seen=false&ids=string",
    f"/candidates/{USER}?history={item_id(1)},77&exclude={item_id(2)}",
    "/candidates/5?n=2",
    f"/mix/{USER}?n=4",
    f"/mix/{USER}?strategy=quota&shares=ease:0.5,slim:0.5&explain=true",
]
BAD = ["/candidates/x", f"/candidates/{USER}?n=0", f"/candidates/{USER}?cg=no", f"/mix/{USER}?strategy=no", "/mix/"]
DROPPED = {"x-request-id"}


async def _unreachable(*_: object) -> None:
    raise AssertionError("took the long way")


def the_long_way(client: Client, path: str, monkeypatch: pytest.MonkeyPatch):
    async def straight(app: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(app, scope, receive, send)

    with monkeypatch.context() as patched:
        patched.setattr(type(client.app), "__call__", straight)
        return client.get(path)


@pytest.mark.parametrize("path", GOOD)
def test_the_short_way_is_taken_and_says_the_same(client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    long = the_long_way(client, path, monkeypatch)
    monkeypatch.setattr(FastAPI, "__call__", _unreachable)
    short = client.get(path)
    assert short.status_code == long.status_code == 200
    assert short.content == long.content
    headers = [{k: v for k, v in answer.headers.items() if k not in DROPPED} for answer in (short, long)]
    assert headers[0] == headers[1]
    assert short.headers["x-request-id"] != long.headers["x-request-id"]


@pytest.mark.parametrize("path", BAD)
def test_what_is_wrong_is_said_by_the_long_way(client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"x-request-id": "r-1"}
    short = client.get(path, headers=asked)
    assert short.status_code >= 400
    assert short.json()["request_id"] == "r-1"
    assert short.json() == {**the_long_way(client, path, monkeypatch).json(), "request_id": "r-1"}


def test_a_query_that_was_read_before_is_not_mixed_up_with_another(client: Client) -> None:
    for n in (1, 2, 1):
        assert client.get(f"/candidates/{USER}?n={n}").json()["returned"] == n
        assert client.get(f"/mix/{USER}?n={n}").json()["cg"] == "mix"
    assert client.get(f"/candidates/{user_id(1)}?n=1").json()["user_id"] == user_id(1)


def test_bodies_are_json_as_orjson_writes_it(client: Client) -> None:
    for path in GOOD[:5]:
        content = client.get(path).content
        assert orjson.dumps(json.loads(content)) == content


def test_requests_answered_together_get_their_own_answers(client: Client) -> None:
    paths = [*GOOD, *BAD, *GOOD[::-1]]
    scopes = []
    for path in paths:
        route, _, query = path.partition("?")
        scopes.append({"method": "GET", "path": route, "query_string": query.encode(), "headers": []})
    pairs = [pair for some in client.app.at_once(scopes) for pair in some.items()]
    assert sorted(place for place, _ in pairs) == list(range(len(paths)))
    for place, written in pairs:
        path = paths[place]
        if path in BAD:
            assert written is None
        else:
            assert written[1] == client.get(path).content


def test_a_mounted_app_goes_the_long_way(client: Client) -> None:
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    path = f"/prefix/candidates/{USER}"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [], "root_path": "/prefix", "scheme": "http", "server": ("test", 80)}
    client.run(client.app(scope, None, send))
    assert sent[0]["status"] == 200


def test_what_was_read_while_the_history_had_to_be_awaited_is_not_read_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = client.app.state.holder.serving
    monkeypatch.setattr(type(serving.history), "at_hand", lambda *_: None)
    scope = {"type": "http", "method": "GET", "path": f"/candidates/{USER}", "query_string": b"n=2", "headers": []}
    assert next(client.app.at_once([scope])) == {0: None}
    monkeypatch.setattr(type(client.app), "_read", _unreachable)
    _, content = client.run(client.app._answer(scope))
    assert json.loads(content)["returned"] == 2


def test_what_was_found_before_a_failure_stays() -> None:
    def find(*_: object) -> Iterator[dict[int, str]]:
        yield {1: "second"}
        raise ZeroDivisionError

    own = {place: SimpleNamespace(pending=None) for place in (4, 7, 9)}
    found, failed = hot._found(SimpleNamespace(find=find), None, own)
    assert found == {7: "second"}
    assert {place: type(error) for place, error in failed.items()} == dict.fromkeys((4, 9), ZeroDivisionError)
