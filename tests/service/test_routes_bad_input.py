"""Whatever a caller sends: a clear answer, never a traceback or a 500."""

from urllib.parse import quote

import httpx
import pytest

from service.body import MAX_BODY_BYTES
from service.kinds import MAX_LIST
from tests.service.client import Client
from tests.stores import item_id, user_id

PROBLEM_KEYS = ["type", "title", "status", "detail", "instance", "request_id"]


def problem(response: httpx.Response, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert list(body)[:6] == PROBLEM_KEYS
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return body


def faults(response: httpx.Response) -> list[str]:
    body = problem(response, 422)
    assert all(set(fault) == {"name", "in", "message"} for fault in body["errors"])
    return [fault["name"] for fault in body["errors"]]


@pytest.mark.parametrize(
    "n",
    [
        *("0", "1001", "1000000000", "-1", "abc", "1_0", "%2B5", "+5", "5.0", "1e2", " 5", "5 ", "05", "٥"),
        *("true", "9" * 5000, "%00", "%F0%9F%98%80", "1,2"),
    ],
)
def test_n_that_is_none(client: Client, n: str) -> None:
    assert faults(client.get(f"/candidates/1?n={n}")) == ["n"]


@pytest.mark.parametrize("n", [0, -1, 1001, 10**9, 2**63, 1.5, 5.5, 0.0, 1e300, True, "5", "abc", [5], {"n": 5}])
def test_n_that_is_none_in_json(client: Client, n: object) -> None:
    assert faults(client.post("/candidates", json={"user_id": 1, "n": n})) == ["n"]


GOOD_IDS = ["0", "-1", str(-(2**63)), str(2**63), str(2**64 - 1)]
BAD_IDS = [
    *(str(-(2**63) - 1), str(2**64), "9" * 5000, "-" + "9" * 4300, "a" * 10_000),
    *("1_0", "+1", "1.0", "1e3", "01", "-0", "0x10", "abc", "1 2", "1,2", "null", "true", "NaN"),
    *("пользователь", "😀", "\0", "\n", "\x7f", "١٢٣", "%", "..", "'; DROP"),
]


@pytest.mark.parametrize("user", GOOD_IDS)
def test_integer_users_in_range_are_unknown_at_worst(client: Client, user: str) -> None:
    body = client.get(f"/candidates/{user}").json()
    assert body["user_id"] == int(user)
    assert body["returned"] == 8
    assert client.post("/candidates", json={"user_id": int(user)}).json() == body


@pytest.mark.parametrize("user", BAD_IDS)
def test_users_that_are_no_integers(client: Client, user: str) -> None:
    if user not in ("..",):  # a client takes that for the folder above
        assert faults(client.get(f"/candidates/{quote(user, safe='')}")) == ["user_id"]
    assert faults(client.post("/candidates", json={"user_id": user})) == ["user_id"]
    if "," not in user:
        query = quote(user, safe="")
        assert faults(client.get(f"/candidates/1?exclude={query}&history={query}")) == ["exclude", "history"]


@pytest.mark.parametrize("user", [True, 1.0, 1e30, [], [1], {}, {"a": 1}, None, ""])
def test_users_that_are_no_ids_in_json(client: Client, user: object) -> None:
    assert faults(client.post("/candidates", json={"user_id": user})) == ["user_id"]


@pytest.mark.parametrize("literal", ["18446744073709551616", "-9223372036854775809", "9" * 5000, "1e400"])
def test_json_numbers_beyond_64_bits(client: Client, literal: str) -> None:
    response = client.post("/candidates", content=f'{{"user_id": {literal}}}')
    assert response.status_code in (400, 422)
    problem(response, response.status_code)


def test_string_users(string_client: Client) -> None:
    for user in ("пользователь", "😀", "\n", "a" * 256, "1_0", "%", "+", " "):
        body = string_client.get(f"/candidates/{quote(user, safe='')}").json()
        assert (body["user_id"], body["user_known"]) == (user, False)
    for user in ("a" * 257, "é" * 129, "\0", "a\0b", "x" * 10_000):
        assert faults(string_client.get(f"/candidates/{quote(user, safe='')}")) == ["user_id"]
    assert string_client.get("/candidates/%EF%BF%BD").json()["user_id"] == "\ufffd"


def test_bytes_that_are_not_utf8(client: Client, string_client: Client) -> None:
    assert faults(string_client.get("/candidates/a%ff")) == ["path"]
    assert faults(client.get("/candidates/%C3")) == ["path"]
    assert faults(client.get("/candidates/1?cg=%ff")) == ["query"]
    assert faults(client.get("/similar/%ff")) == ["path"]
    problem(client.post("/candidates", content=b'{"user_id": "\xff"}'), 400)
    problem(string_client.post("/candidates", content=b'{"user_id": "\\ud800"}'), 400)


def test_unknown_cg_lists_the_valid_ones(client: Client) -> None:
    for cg in ("nope", "EASE", "data", "x" * 256, "ease,slim", "\0", "😀"):
        body = problem(client.get(f"/candidates/1?cg={quote(cg)}"), 404)
        assert body["valid"] == ["ease", "personal_top", "popular", "slim"]
    assert problem(client.post("/candidates", json={"user_id": 1, "cg": "nope"}), 404)["valid"]
    assert faults(client.get(f"/candidates/1?cg={'x' * 16_000}")) == ["cg"]
    assert faults(client.get("/candidates/1?cg=ease&cg=slim")) == ["cg"]


def test_similar_problems(client: Client) -> None:
    problem(client.get("/similar/5"), 404)
    assert problem(client.get(f"/similar/{item_id(0)}?cg=nope"), 404)["valid"]
    body = problem(client.get(f"/similar/{item_id(0)}?cg=popular"), 422)
    assert body["valid"] == ["ease", "slim"]
    assert faults(client.get("/similar/abc?n=0&history=1")) == ["n", "history", "item_id"]


def test_misspelt_names_are_refused_with_the_valid_ones(client: Client) -> None:
    response = client.get("/candidates/1?excude=5&user_id=2")
    assert faults(response) == ["excude", "user_id"]
    assert "exclude_seen" in response.json()["errors"][0]["message"]
    assert faults(client.post("/candidates", json={"user_id": 1, "excude": [5]})) == ["excude"]
    assert faults(client.post("/candidates:batch", json={"requests": [], "n": 5})) == ["n"]
    assert len(faults(client.get("/candidates/x?n=0&ids=int&exclude_seen=maybe&allow=a"))) == 5


@pytest.mark.parametrize("value", ["yes", "on", "2", "t", "None"])
def test_exclude_seen_that_is_neither(client: Client, value: str) -> None:
    assert faults(client.get(f"/candidates/1?exclude_seen={value}")) == ["exclude_seen"]
    assert faults(client.post("/candidates", json={"user_id": 1, "exclude_seen": value})) == ["exclude_seen"]


def test_lists_that_are_none_or_too_long(client: Client) -> None:
    for wrong in ("1,2", 5, {"a": 1}, [[1]], [None], [""], [True], [1.0]):
        assert faults(client.post("/candidates", json={"user_id": 1, "history": wrong})) == ["history"]
    for wrong in ([5], ["a"] * 1001, "a" * 257, 5):
        assert faults(client.post("/candidates", json={"user_id": 1, "category": wrong})) == ["category"]
    most = {"user_id": 1, "history": list(range(MAX_LIST))}
    assert len(client.post("/candidates", json=most).json()["unknown_items"]) == MAX_LIST
    assert faults(client.post("/candidates", json={**most, "history": [1] * (MAX_LIST + 1)})) == ["history"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nonsense", b'{"user_id": 1,}', b'{"user_id": NaN}', b"[" * 100_000, b"\xef\xbb\xbf{}"],
)
def test_bodies_that_are_not_json(client: Client, content: bytes) -> None:
    problem(client.post("/candidates", content=content), 400)
    problem(client.post("/candidates:batch", content=content), 400)


@pytest.mark.parametrize("content", [b"[]", b"null", b"5", b'"x"'])
def test_bodies_that_are_not_objects(client: Client, content: bytes) -> None:
    assert faults(client.post("/candidates", content=content)) == ["body"]
    assert faults(client.post("/candidates:batch", content=content)) == ["body"]


def test_content_type(client: Client) -> None:
    problem(client.post("/candidates", data={"user_id": "1"}), 415)
    for accepted in ("application/json", "Application/JSON; charset=utf-8"):
        response = client.post("/candidates", content=b'{"user_id": 1}', headers={"Content-Type": accepted})
        assert response.status_code == 200


def test_bodies_too_large(client: Client) -> None:
    padding = b" " * MAX_BODY_BYTES
    problem(client.post("/candidates", content=b'{"user_id": 1}' + padding), 413)
    assert client.post("/candidates", content=b'{"user_id": 1}' + padding[100:]).status_code == 200


def test_batches_that_are_none(client: Client) -> None:
    for wrong in ({}, {"requests": None}, {"requests": 5}, {"requests": [{"user_id": 1}] * 65}):
        assert faults(client.post("/candidates:batch", json=wrong)) == ["requests"]
    odd = [{"user_id": "y" * 300}, {"user_id": True}, {"user_id": [1]}, [], None]
    results = client.post("/candidates:batch", json={"requests": odd}).json()["results"]
    assert [item["user_id"] for item in results] == [None] * 5


def test_unknown_paths_and_methods(client: Client) -> None:
    for path in (
        "/nope",
        "/candidates",
        "/candidates/",
        "/candidates/1/2",
        "/mix/",
        "/ui/../app.py",
        "/ui/%2e%2e",
    ):
        response = client.get(path)
        problem(response, 405 if path == "/candidates" else 404)
    for method, path, allowed in (
        ("GET", "/candidates", "OPTIONS, POST"),
        ("GET", "/candidates:batch", "OPTIONS, POST"),
        ("DELETE", f"/candidates/{user_id(0)}", "GET, HEAD, OPTIONS"),
        ("POST", "/health/ready", "GET, HEAD, OPTIONS"),
        ("BREW", "/cgs", "GET, HEAD, OPTIONS"),
    ):
        response = client.request(method, path)
        problem(response, 405)
        assert response.headers["allow"] == allowed


def test_query_of_16_kilobytes_and_thousands_of_names(client: Client) -> None:
    ids = ",".join(str(2**63 + i) for i in range(800))
    assert client.get(f"/candidates/1?exclude={ids}").status_code == 200
    assert len(faults(client.get("/candidates/1?" + "&".join(f"x{i}=1" for i in range(2000))))) == 2000
    problem(client.get("/" + "x" * 16_000), 404)
