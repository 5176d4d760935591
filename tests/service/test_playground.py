"""The playground's page and data routes: read-only, ids as strings, another release beside the served one."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.other_releases import OtherReleases
from service.store import Store
from tests.mixes import TRAINED, mix_store
from tests.service.client import Client, running
from tests.stores import N_USERS, item_id, tiny_store, user_id

FILES = sorted(path.name for path in Path("service/ui").iterdir())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two releases: without a MixiGen, then with one."""
    return mix_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(scope="module")
def mixed(store: Store) -> Iterator[Client]:
    with running(store.root) as started:
        yield started


def test_the_page_loads_nothing_from_elsewhere(mixed: Client) -> None:
    page = mixed.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert set(re.findall(r'(?:src|href)="/ui/([^"]+)"', page.text)) <= set(FILES)
    for name in FILES:
        loaded = mixed.get(f"/ui/{name}")
        assert loaded.status_code == 200, name
        addresses = re.findall(r"https?://[^\s\"'`]+", loaded.text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name
    assert mixed.get("/ui/../app.py").status_code == 404


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_modules_import_files_that_are_there(name: str) -> None:
    text = (Path("service/ui") / name).read_text()
    assert set(re.findall(r'from "\./([^"]+)"', text)) <= set(FILES)


def test_about_offers_users_contexts_and_hours(mixed: Client, store: Store) -> None:
    about = mixed.get("/playground/about").json()
    assert about["release"] == store.current()
    assert set(about["sample_users"]) == {str(user_id(user)) for user in range(N_USERS - 1)}  # the last has no history
    assert (about["cities"], about["stores"], about["timezone"]) == (["Berlin", "Bonn"], ["7"], "Europe/Berlin")
    for hours in about["days"].values():
        local = [datetime.fromtimestamp(at, ZoneInfo("Europe/Berlin")) for at in hours]
        assert [at.hour for at in local] == list(range(24)) or len(
            {at.utcoffset() for at in local}
        ) == 2  # clock change
    assert 0 < about["resident"]["own"] < about["resident"]["total"]


def test_a_users_history_has_names_and_ids_that_survive_javascript(mixed: Client) -> None:
    body = mixed.get("/playground/user", params={"user_id": str(user_id(0))}).json()
    assert body["user_known"]
    assert body["distinct_items"] == 3
    assert {item["item_id"] for item in body["items"]} == {str(item_id(item)) for item in range(3)}
    assert {item["name"] for item in body["items"]} == {"item 0", "item 1", "item 2"}
    assert {item["category"] for item in body["items"]} == {"dairy", "bread", None}
    times = [item["last"] for item in body["items"]]
    assert times == sorted(times, reverse=True)
    assert not mixed.get("/playground/user", params={"user_id": "7"}).json()["user_known"]


def test_items_are_described(mixed: Client) -> None:
    found = mixed.post("/playground/items", json={"ids": [str(item_id(4)), "5"]}).json()["items"]
    assert found == [{"item_id": str(item_id(4)), "name": "item 4", "category": "bread"}]


def test_curves_are_what_mixigen_merges_by(mixed: Client) -> None:
    body = {"user_id": str(user_id(0)), "n": 5, "timestamp": 1_600_000_000, "city_name": "Bonn"}
    curves = mixed.post("/playground/curves", json=body).json()
    assert [cg["name"] for cg in curves["cgs"]] == list(TRAINED)
    assert {len(cg["scores"]) for cg in curves["cgs"]} == {6}
    assert sum(cg["quota"] for cg in curves["cgs"]) == 5
    scores = {cg["name"]: cg["scores"] for cg in curves["cgs"]}
    for item in mixed.post("/mix", json=body).json()["items"]:
        if not item.get("fill"):
            assert item["score"] == pytest.approx(scores[item["cg"]][min(item["cg_rank"], 6) - 1], abs=1e-5)


@pytest.mark.parametrize("route", ["candidates", "mix"])
def test_the_served_release_answers_as_the_route_itself(mixed: Client, store: Store, route: str) -> None:
    body = {"user_id": str(user_id(1)), "n": 4, "ids": "string"}
    answer = mixed.post(f"/{route}", json=body).json()
    assert mixed.post(f"/playground/{route}", json=body).json() == answer
    assert mixed.post(f"/playground/{route}", json={**body, "release": store.current()}).json() == answer


def test_another_release_answers_beside_the_served_one(mixed: Client, store: Store) -> None:
    older = store.releases()[0]
    body = {"user_id": str(user_id(1)), "n": 4, "release": older}
    answer = mixed.post("/playground/mix", json=body).json()
    assert (answer["release"], answer["strategy"]) == (older, "rrf")
    assert (
        mixed.get("/playground/user", params={"user_id": str(user_id(1)), "release": older}).json()["release"] == older
    )
    problem = mixed.post("/playground/curves", json=body)
    assert problem.status_code == 422
    assert "no MixiGen" in problem.json()["detail"]
    assert mixed.get("/cgs").json()["release"] == store.current()


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("GET", "/playground/user", None, "user_id"),
        ("GET", "/playground/user?user_id=1.5", None, "user_id"),
        ("GET", "/playground/user?user_id=1&release=../x", None, "release"),
        ("POST", "/playground/mix", {"user_id": 1, "release": 7}, "release"),
        ("POST", "/playground/mix", {"user_id": 1, "release": "none"}, "release"),
        ("POST", "/playground/items", {}, "ids"),
        ("POST", "/playground/items", {"ids": ["x"]}, "ids"),
        ("POST", "/playground/candidates", {"user_id": 1, "cgs": ["ease"]}, "cgs"),
        ("POST", "/playground/curves", [], "body"),
    ],
)
def test_bad_input_is_a_problem(mixed: Client, method: str, path: str, body: object, name: str) -> None:
    answer = mixed.request(method, path, **({} if body is None else {"json": body}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == name


def test_string_ids(string_client: Client) -> None:
    body = string_client.get("/playground/user", params={"user_id": str(user_id(0, "string"))}).json()
    assert {item["item_id"] for item in body["items"]} == {str(item_id(item, "string")) for item in range(3)}


def test_without_a_playground_the_root_leads_to_the_docs(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    with running(tmp_path, playground=False) as client:
        root = client.get("/")
        assert (root.status_code, root.headers["location"]) == (307, "/docs")
        for path in ("/playground/about", "/playground/user?user_id=1"):
            assert client.get(path).status_code == 404
        assert client.post("/playground/mix", json={"user_id": 1}).status_code == 404


def test_one_other_release_is_held_and_let_go(mixed: Client, store: Store) -> None:
    first, second = store.releases()
    others = OtherReleases(store, idle_seconds=0.05)
    held = mixed.run(others.get(first))
    assert mixed.run(others.get(first)) is held
    assert mixed.run(others.get(second)).name == second
    mixed.let_run(0.2)
    assert others.held is None
    assert mixed.run(others.get(first)) is not held
