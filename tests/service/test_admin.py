"""Admin routes: who may, reload, rollback, blocked items."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service import swap
from service.errors import NotWritableError
from service.store import Store
from tests.service.client import Client, running
from tests.stores import item_id, tiny_store, user_id

KEY = {"X-API-Key": "sesam"}
ROUTES = [
    ("POST", "/admin/reload"),
    ("POST", "/admin/rollback"),
    ("PUT", "/admin/blocked/5"),
    ("DELETE", "/admin/blocked/5"),
]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_store(tmp_path)


@pytest.fixture
def admin(store: Store) -> Iterator[Client]:
    with running(store.root, api_key="sesam") as started:
        yield started


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_off_without_a_key(client: Client, method: str, path: str) -> None:
    response = client.request(method, path, headers=KEY)
    assert response.status_code == 403
    assert "CANDGEN_API_KEY" in response.json()["detail"]


def test_the_key_is_wanted_and_never_shown(admin: Client, store: Store) -> None:
    before = store.current()
    for method, path in ROUTES:
        for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "sesam "[:-2]}, {"X-API-Key": "\u00fc".encode()}):
            response = admin.request(method, path, headers=headers)
            assert response.status_code == 401
            assert "sesam" not in response.text
    assert (store.current(), store.blocked()) == (before, [])


def test_rollback_answers_byte_for_byte_as_before(admin: Client, store: Store) -> None:
    paths = [f"/{route}/{user_id(user)}?n=8" for route in ("candidates", "mix") for user in range(6)]
    paths.append(f"/similar/{item_id(3)}")
    old = store.current()
    before = [admin.get(path).content for path in paths]
    new = tiny_store(store.root, seed=7).current()
    admin.let_run_until(lambda: admin.get(paths[0]).json()["release"] == new)
    assert [admin.get(path).content for path in paths] != before
    response = admin.post("/admin/rollback", headers=KEY)
    assert (response.status_code, response.json()) == (202, {"status": "accepted", "current": old})
    admin.let_run_until(lambda: admin.get(paths[0]).json()["release"] == old)
    assert [admin.get(path).content for path in paths] == before


def test_rollback_that_is_not_possible_names_the_command(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    response = admin.post("/admin/rollback", headers=KEY)
    assert response.status_code == 409
    assert "no parent" in response.json()["detail"]

    def refuse(*_: object) -> None:
        raise NotWritableError("read-only file system")

    monkeypatch.setattr(Store, "_lock", refuse)
    response = admin.post("/admin/rollback", headers=KEY)
    assert response.status_code == 409
    assert "python -m training rollback" in response.json()["detail"]
    response = admin.request("PUT", "/admin/blocked/5", headers=KEY)
    assert response.status_code == 409
    assert "BLOCKED" in response.json()["detail"]


def every_list(client: Client) -> list[list[object]]:
    """Items of every route and kind of list, fill and history included."""
    user, item = user_id(0), item_id(1)
    names, flags = ("ease", "slim", "popular", "personal_top"), ("true", "false")
    bodies = [client.get(f"/candidates/{user}?n=8&cg={cg}&exclude_seen={seen}") for cg in names for seen in flags]
    bodies += [
        client.get("/candidates/99?n=8"),
        client.get(f"/candidates/{user}?n=8&allow={item_id(3)},{item_id(4)}"),
        client.get(f"/candidates/{user}?n=8&history={item}"),
        client.post("/candidates", json={"user_id": user, "n": 8}),
        client.get(f"/mix/{user}?n=8&exclude_seen=false"),
        client.post("/mix", json={"user_id": user, "n": 8}),
        client.get(f"/similar/{item}?n=8"),
    ]
    answers = [body.json() for body in bodies]
    answers += client.post("/candidates:batch", json={"requests": [{"user_id": user, "n": 8}]}).json()["results"]
    return [[one["item_id"] for one in answer["items"]] for answer in answers]


def test_a_blocked_item_is_on_no_list_whatever_the_release(admin: Client, store: Store) -> None:
    blocked = item_id(3)
    assert sum(blocked in one for one in every_list(admin)) > 8
    response = admin.request("PUT", f"/admin/blocked/{blocked}", headers=KEY)
    assert (response.status_code, response.json()) == (200, {"item_id": blocked, "blocked": True})
    assert not any(blocked in one for one in every_list(admin))
    new = tiny_store(store.root, seed=7).current()
    admin.let_run_until(lambda: admin.get("/candidates/1").json()["release"] == new)
    assert not any(blocked in one for one in every_list(admin))
    assert all(len(set(one)) == len(one) for one in every_list(admin))
    response = admin.request("DELETE", f"/admin/blocked/{blocked}", headers=KEY)
    assert response.json() == {"item_id": blocked, "blocked": False}
    assert sum(blocked in one for one in every_list(admin)) > 8


def test_the_file_is_enough_and_survives_a_start(store: Store) -> None:
    (store.root / "BLOCKED").write_text(f"{item_id(3)}\nnonsense\n\n  {item_id(4)}\r\n123")
    with running(store.root) as client:
        assert not {item_id(3), item_id(4)} & {item for one in every_list(client) for item in one}
        (store.root / "BLOCKED").write_bytes(b"\xff\n" + str(item_id(5)).encode())
        client.let_run_until(lambda: not any(item_id(5) in one for one in every_list(client)))
        assert any(item_id(3) in one for one in every_list(client))
        (store.root / "BLOCKED").unlink()
        client.let_run_until(lambda: any(item_id(5) in one for one in every_list(client)))


def test_string_items_are_blocked_too(tmp_path: Path) -> None:
    tiny_store(tmp_path, "string")
    with running(tmp_path, api_key="sesam") as client:
        path = f"/admin/blocked/{item_id(3, 'string')}"
        assert client.request("PUT", path, headers=KEY).status_code == 200
        answer = client.get("/candidates/nobody?n=8").json()
        assert answer["returned"] == 7
        for bad in ("%20x", "a%0Ab", "%FF"):
            assert client.request("PUT", f"/admin/blocked/{bad}", headers=KEY).status_code == 422


def test_reload_tries_a_refused_release_at_once(admin: Client, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    swapper = admin.app.state.swapper
    old, new = store.current(), tiny_store(store.root, seed=7).current()
    admin.let_run_until(lambda: admin.get("/candidates/1").json()["release"] == new)
    manifest = store.root / "releases" / f"{old}.json"
    good = manifest.read_bytes()
    manifest.write_text("{")
    (store.root / "CURRENT").write_text(old)
    admin.let_run_until(lambda: swapper.refused == 1)
    manifest.write_bytes(good)
    admin.let_run(0.5)
    assert swapper.refused == 1, "a refused release is not read again and again"
    assert admin.get("/candidates/1").json()["release"] == new
    response = admin.post("/admin/reload", headers=KEY)
    assert (response.status_code, response.json()["status"]) == (202, "accepted")
    admin.let_run_until(lambda: admin.get("/candidates/1").json()["release"] == old)
