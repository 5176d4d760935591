"""What the routes answer when all is well."""

import re

import numpy as np
import pytest

from service import registry
from service.generate import Request, generate
from tests.service.client import Client
from tests.stores import CATEGORIES, N_ITEMS, item_id, user_id

KEYS = [
    "user_id",
    "cg",
    "release",
    "user_known",
    "fallback",
    "returned",
    "items",
    "unknown_items",
    "degraded",
]
USER = user_id(0)
SEEN = {item_id(item) for item in range(3)}


def body_sent(client: Client, method: str, path: str) -> bytes:
    """Return what the app itself sends: an HTTP client drops the body of an answer to HEAD."""
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "headers": [], "root_path": "", "scheme": "http", "server": ("test", 80)}
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    client.run(client.app(scope, receive, send))
    return b"".join(message.get("body", b"") for message in sent)


def ids_of(body: dict) -> list:
    return [item["item_id"] for item in body["items"]]


def test_answer_has_the_documented_keys_and_what_the_domain_says(client: Client) -> None:
    response = client.get(f"/candidates/{USER}?cg=ease&n=4&exclude_seen=false")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == KEYS
    release = registry.load(client.app.state.holder.store)
    wanted = generate(release, Request(USER, "ease", 4, exclude_seen=False), release.history.lookup(USER)).result.own
    assert ids_of(body) == release.items.ids_of(wanted.items)
    assert [np.float32(item["score"]) for item in body["items"]] == wanted.scores.tolist()
    assert body["user_id"] == USER
    assert body["returned"] == 4
    assert (body["cg"], body["fallback"], body["user_known"]) == ("ease", None, True)
    assert body["release"] == release.name == response.headers["x-model-release"]


def test_scores_are_written_in_their_shortest_form(client: Client) -> None:
    text = client.get(f"/candidates/{USER}?exclude_seen=false&cg=ease").text
    scores = re.findall(r'"score":([^,}]+)', text)
    assert len(scores) > 3
    assert scores == [str(np.float32(score)) for score in scores]


def test_default_cg_is_echoed(client: Client) -> None:
    assert client.get(f"/candidates/{USER}").json()["cg"] == "ease"
    assert client.get(f"/candidates/{USER}?cg=slim").json()["cg"] == "slim"


def test_unknown_user_gets_popular_fill(client: Client) -> None:
    body = client.get("/candidates/5?n=3").json()
    assert (body["user_known"], body["fallback"], body["returned"]) == (False, "popular", 3)
    assert all(list(item) == ["item_id", "score", "fill"] for item in body["items"])
    assert all(item["score"] is None and item["fill"] is True for item in body["items"])
    popular = client.get("/candidates/5?n=3&cg=popular").json()
    assert ids_of(popular) == ids_of(body)
    assert popular["fallback"] is None


def test_n_above_the_catalogue_returns_all_once(client: Client) -> None:
    body = client.get(f"/candidates/{USER}?n=1000&exclude_seen=false").json()
    assert body["returned"] == N_ITEMS == len(set(ids_of(body)))
    assert set(ids_of(body)) >= SEEN
    assert not SEEN & set(ids_of(client.get(f"/candidates/{USER}?n=1000").json()))


@pytest.mark.parametrize(("text", "excluded"), [("true", True), ("FALSE", False), ("1", True), ("0", False)])
def test_exclude_seen(client: Client, text: str, excluded: bool) -> None:
    body = client.get(f"/candidates/{USER}?exclude_seen={text}").json()
    assert bool(SEEN & set(ids_of(body))) is not excluded


@pytest.mark.parametrize("join", ["exclude={},{}", "exclude={}&exclude={}", "exclude={},,{},"])
def test_lists_are_comma_separated_or_repeated(client: Client, join: str) -> None:
    gone = [item_id(3), item_id(4)]
    body = client.get(f"/candidates/{USER}?exclude_seen=false&" + join.format(*gone)).json()
    assert body["returned"] == N_ITEMS - 2
    assert not set(gone) & set(ids_of(body))


def test_allow_and_category(client: Client) -> None:
    allowed = [item_id(5), item_id(6)]
    body = client.get(f"/candidates/{USER}?allow={allowed[0]},{allowed[1]},123").json()
    assert set(ids_of(body)) == set(allowed)
    assert client.get(f"/candidates/{USER}?allow=123").json()["items"] == []
    bread = client.get(f"/candidates/{USER}?category=bread&exclude_seen=false").json()
    assert set(ids_of(bread)) == {item_id(i) for i in range(N_ITEMS) if CATEGORIES[i % 3] == "bread"}
    assert client.get(f"/candidates/{USER}?category=вода").json()["items"] == []
    both = client.get(f"/candidates/{USER}?category=bread,dairy&exclude_seen=false").json()
    assert set(ids_of(both)) == {item_id(i) for i in range(N_ITEMS) if i % 3 != 2}


def test_a_category_whose_name_has_a_comma(client: Client) -> None:
    catalogue = client.app.state.holder.serving.release.catalogue
    assert "bread" in catalogue.category_names
    catalogue.category_names.append("bread,dairy")  # now a name, and one that no item has
    try:
        assert client.get(f"/candidates/{USER}?category=bread,dairy").json()["items"] == []
    finally:
        catalogue.category_names.pop()


def test_history_given_replaces_the_stored_one(client: Client) -> None:
    given = [item_id(6), item_id(7)]
    body = client.get(f"/candidates/{USER}?history={given[0]},77,{given[1]},77&n=1000").json()
    assert body["unknown_items"] == [77]
    assert set(ids_of(body)) == {item_id(i) for i in range(6)}
    stranger = client.get(f"/candidates/5?history={given[0]}&cg=ease").json()
    assert stranger["fallback"] is None
    assert stranger["user_known"] is False


def test_ids_as_strings(client: Client) -> None:
    plain = client.get(f"/candidates/{USER}?history=77,{item_id(1)}").json()
    strings = client.get(f"/candidates/{USER}?history=77,{item_id(1)}&ids=string").json()
    assert strings["user_id"] == str(USER)
    assert strings["unknown_items"] == ["77"]
    assert ids_of(strings) == [str(item) for item in ids_of(plain)]


def test_empty_parameters_equal_absent_ones(client: Client) -> None:
    bare = client.get(f"/candidates/{USER}")
    empty = client.get(f"/candidates/{USER}?cg=&n=&exclude_seen=&exclude=&allow=&category=&history=&ids=&exclude")
    assert empty.content == bare.content
    names = ["cg", "n", "exclude_seen", "exclude", "allow", "category", "history", "ids"]
    for nothing in (None, "", []):
        posted = client.post("/candidates", json={"user_id": USER, **dict.fromkeys(names, nothing)})
        assert posted.content == bare.content


def test_post_answers_as_get_does(client: Client) -> None:
    query = f"cg=slim&n=5&exclude_seen=false&exclude={item_id(1)}&history={item_id(2)},9&category=bread,dairy"
    body = {
        "user_id": USER,
        "cg": "slim",
        "n": 5,
        "exclude_seen": False,
        "exclude": [item_id(1)],
        "history": [str(item_id(2)), 9],
        "category": ["bread", "dairy"],
    }
    got = client.get(f"/candidates/{USER}?{query}")
    assert client.post("/candidates", json=body).content == got.content
    assert client.post("/candidates", json={**body, "user_id": str(USER)}).content == got.content
    assert client.post("/candidates", json={"user_id": USER, "category": "bread"}).status_code == 200


def test_string_ids(string_client: Client) -> None:
    user = user_id(0, "string")
    body = string_client.get(f"/candidates/{user}?exclude_seen=false").json()
    assert body["user_id"] == user
    assert set(ids_of(body)) == {item_id(i, "string") for i in range(N_ITEMS)}
    odd = "a,b/c d"
    answer = string_client.post("/candidates", json={"user_id": odd, "history": [odd]}).json()
    assert (answer["user_id"], answer["unknown_items"]) == (odd, [odd])
    assert string_client.get("/candidates/5").json()["user_id"] == "5"
    assert string_client.post("/candidates", json={"user_id": 5}).status_code == 422


def test_batch_answers_each_request_from_one_release(client: Client) -> None:
    requests = [{"user_id": USER, "n": 2}, {"user_id": "x"}, {"user_id": 5, "cg": "no"}, 3, {"n": 1}]
    response = client.post("/candidates:batch", json={"requests": requests})
    assert response.status_code == 200
    first, *failed = response.json()["results"]
    assert first == client.post("/candidates", json=requests[0]).json()
    assert [list(item) for item in failed] == [["user_id", "error"]] * 4
    assert [item["user_id"] for item in failed] == ["x", 5, None, None]
    assert [item["error"]["status"] for item in failed] == [422, 404, 422, 422]
    assert failed[1]["error"]["valid"] == ["ease", "personal_top", "popular", "slim"]
    assert client.post("/candidates:batch", json={"requests": []}).json() == {"results": []}
    full = client.post("/candidates:batch", json={"requests": [{"user_id": 1}] * 64})
    assert len(full.json()["results"]) == 64


def test_similar(client: Client) -> None:
    body = client.get(f"/similar/{item_id(0)}?cg=ease&n=3").json()
    assert list(body) == ["item_id", "cg", "release", "returned", "items"]
    assert body["item_id"] == item_id(0)
    assert item_id(0) not in ids_of(body)
    scores = [item["score"] for item in body["items"]]
    assert scores == sorted(scores, reverse=True)
    best = body["items"][0]["item_id"]
    without = client.get(f"/similar/{item_id(0)}?cg=ease&n=3&exclude={best}&ids=string").json()
    assert str(best) not in ids_of(without)
    assert without["item_id"] == str(item_id(0))
    assert client.get(f"/similar/{item_id(0)}").json()["cg"] == "ease"


def test_cgs(client: Client) -> None:
    body = client.get("/cgs").json()
    assert body["release"] == client.app.state.holder.release_name
    named = {cg["name"]: cg for cg in body["cgs"]}
    assert list(named) == ["ease", "personal_top", "popular", "slim"]
    for cg in body["cgs"]:
        assert {"name", "algorithm", "version", "config", "metrics", "bytes", "trained_on_data"} <= set(cg)
        assert cg["bytes"] > 0
        assert cg["trained_on_data"] is True
    assert named["ease"]["config"] == {"weighting": "count"}
    assert [cg["name"] for cg in body["cgs"] if cg["default"]] == ["ease"]
    assert [cg["name"] for cg in body["cgs"] if cg["similar"]] == ["ease", "slim"]


def test_releases_and_health(client: Client) -> None:
    name = client.app.state.holder.release_name
    body = client.get("/releases").json()
    assert body["current"] == name
    assert [worker["release"] for worker in body["workers"]] == [name]
    (only,) = body["releases"]
    assert (only["release"], only["current"], only["parent"]) == (name, True, None)
    assert set(only["artifacts"]) == {"data", "ease", "personal_top", "slim"}
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "release": name}


def test_request_id_is_echoed_when_sane(client: Client) -> None:
    assert client.get("/health/live", headers={"X-Request-ID": "a-1"}).headers["x-request-id"] == "a-1"
    made = {client.get("/health/live").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for odd in (b"x" * 129, b"a b", b"\xfftext", b"\t"):
        echoed = client.get("/health/live", headers={b"X-Request-ID": odd}).headers["x-request-id"]
        assert echoed.encode("latin-1") != odd
        assert len(echoed) == 24
    problem = client.get("/nope", headers={"X-Request-ID": "a-2"})
    assert problem.json()["request_id"] == problem.headers["x-request-id"] == "a-2"


def test_head_and_options(client: Client) -> None:
    got = client.get(f"/candidates/{USER}")
    head = client.request("HEAD", f"/candidates/{USER}")
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(got.content))
    assert body_sent(client, "HEAD", f"/candidates/{USER}") == b""
    assert body_sent(client, "GET", f"/candidates/{USER}") == got.content
    options = client.request("OPTIONS", f"/candidates/{USER}")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-origin" not in options.headers
