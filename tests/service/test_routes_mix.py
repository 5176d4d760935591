"""GET and POST /mix, and what /cgs says of the blender."""

import numpy as np
import pytest

from service import registry
from service.mix import MixRequest, mix
from tests.mixes import TRAINED, FixedCG, mix_store
from tests.service.client import Client, running
from tests.service.test_routes_bad_input import faults, problem
from tests.stores import N_ITEMS, item_id, user_id

KEYS = [
    *("user_id", "cg", "strategy", "release", "user_known", "fallback", "returned", "slots", "items"),
    *("unknown_items", "degraded"),
]
USER = user_id(0)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A release with a MixiGen."""
    root = tmp_path_factory.mktemp("mixed")
    mix_store(root)
    with running(root) as started:
        yield started


def test_get_answers_what_the_domain_says(mixed: Client) -> None:
    response = mixed.get(f"/mix/{USER}?n=5&city_name=Bonn&store_id=7&timestamp=1600600000&explain=true")
    assert response.status_code == 200, response.text
    body = response.json()
    assert list(body) == KEYS
    release = registry.load(mixed.app.state.holder.store)
    request = MixRequest(USER, n=5, city_name="Bonn", store_id="7", timestamp=1_600_600_000, explain=True)
    found = mix(release, request, release.history.lookup(USER))
    assert [item["item_id"] for item in body["items"]] == release.items.ids_of(found.result.items)
    assert [np.float32(item["score"]) for item in body["items"]] == found.blend.score.tolist()
    assert [item["cg_rank"] for item in body["items"]] == found.blend.cg_rank.tolist()
    assert [list(TRAINED).index(item["cg"]) for item in body["items"]] == found.blend.cg.tolist()
    for item, of_item in zip(body["items"], found.sources, strict=True):
        assert [(source["cg"], source["cg_rank"]) for source in item["sources"]] == [
            (TRAINED[source.cg], source.rank) for source in of_item
        ]
    assert body["slots"] == found.slots
    assert (body["strategy"], body["cg"], body["degraded"]) == ("mixigen", "mix", [])
    assert body["release"] == response.headers["x-model-release"]


def test_post_is_the_same(mixed: Client) -> None:
    query = f"n=6&cgs=ease,slim&strategy=quota&shares=ease:0.25,slim:.75&exclude={item_id(1)}&timestamp=5&store_id=7"
    body = {"user_id": USER, "n": 6, "cgs": ["ease", "slim"], "strategy": "quota", "timestamp": 5.0}
    body |= {"shares": {"ease": 1, "slim": 3}, "exclude": [item_id(1)], "store_id": 7}
    got = mixed.get(f"/mix/{USER}?{query}")
    assert got.status_code == 200, got.text
    assert mixed.post("/mix", json=body).json() == got.json()


def test_fill_and_context_that_nobody_knows(mixed: Client) -> None:
    body = mixed.get("/mix/12345?n=3&city_name=Atlantis&store_id=nowhere&timestamp=0&ids=string").json()
    assert (body["user_id"], body["user_known"], body["fallback"]) == ("12345", False, "popular")
    assert list(body["items"][0].values())[1:] == [None, True, None, None]
    assert isinstance(body["items"][0]["item_id"], str)
    assert body["slots"] == dict.fromkeys(TRAINED, 0)


def test_empty_parameters_equal_absent_ones(mixed: Client) -> None:
    plain = mixed.get(f"/mix/{USER}?timestamp=9").json()
    empty = mixed.get(
        f"/mix/{USER}?timestamp=9&cgs=&strategy=&shares=&explain=&city_name=&store_id=&n=&history=&allow="
    )
    assert empty.json() == plain
    body = {"user_id": USER, "timestamp": 9, "cgs": [], "shares": None, "city_name": "", "strategy": None}
    assert mixed.post("/mix", json=body).json() == plain
    assert plain["returned"] == N_ITEMS


def test_without_a_mixigen(client: Client) -> None:
    assert client.get(f"/mix/{USER}").json()["strategy"] == "rrf"
    body = problem(client.get(f"/mix/{USER}?strategy=mixigen"), 422)
    assert "no MixiGen" in body["detail"]
    assert client.get("/cgs").json()["mixigen"] is None


def test_string_ids(string_client: Client) -> None:
    body = string_client.get("/mix/kund0?strategy=round_robin&cgs=ease&cgs=slim&exclude_seen=false").json()
    assert body["items"][0]["item_id"].startswith("artikel-ü")
    assert body["items"][0]["cg"] == "ease"


def test_mixigen_is_not_a_generator(mixed: Client) -> None:
    body = problem(mixed.get(f"/candidates/{USER}?cg=mixigen"), 404)
    assert "mixigen" not in body["valid"]
    body = mixed.get("/cgs").json()
    assert [cg["name"] for cg in body["cgs"]] == ["ease", "personal_top", "popular", "slim"]
    assert body["mixigen"]["cgs"] == list(TRAINED)
    assert body["mixigen"]["config"]["schema"]["max_position"] == 6


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *[(f"timestamp={value}", "timestamp") for value in ("-1", "1.5", "abc", "99999999999999", "1_0", "01")],
        *[(f"shares={value}&strategy=quota", "shares") for value in ("ease", "ease:", "ease:x", "ease:-1", "ease:nan")],
        *[
            (f"shares={value}&strategy=quota", "shares")
            for value in ("ease:1e9", "ease:9999999", ":1", "ease:1,ease:1")
        ],
        *[("shares=ease:1", "shares"), ("shares=ease:1&strategy=rrf", "shares")],
        *[("shares=popular:1&strategy=quota", "shares"), ("shares=ease:0&strategy=quota", "shares")],
        *[("strategy=best", "strategy"), ("strategy=rrf&strategy=rrf", "strategy"), ("explain=maybe", "explain")],
        *[("cgs=popular", "cgs"), ("cgs=" + ",".join(["ease"] * 33), "cgs"), ("city_name=" + "a" * 257, "city_name")],
        *[("cg=ease", "cg"), ("n=0", "n"), ("n=1001", "n"), ("tmestamp=1", "tmestamp")],
    ],
)
def test_what_cannot_be_used_in_a_query(mixed: Client, query: str, name: str) -> None:
    assert faults(mixed.get(f"/mix/{USER}?{query}")) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("timestamp", value) for value in (-1, 1.5, True, "abc", 2**63, [1])],
        *[("shares", value) for value in ("ease:1", [1], {"ease": "1"}, {"ease": True}, {"ease": -1}, {"ease": 1e7})],
        *[("cgs", value) for value in ("ease", [1], [None], {"ease": 1})],
        *[("strategy", 1), ("strategy", ["rrf"]), ("explain", 1), ("city_name", 1.5), ("store_id", True)],
    ],
)
def test_what_cannot_be_used_in_a_body(mixed: Client, name: str, value: object) -> None:
    body = {"user_id": USER, name: value} | ({"strategy": "quota"} if name == "shares" else {})
    assert faults(mixed.post("/mix", json=body)) == [name]


def test_an_unknown_generator_is_404_with_those_that_are_there(mixed: Client) -> None:
    body = problem(mixed.get(f"/mix/{USER}?cgs=ease,nope"), 404)
    assert body["valid"] == ["ease", "personal_top", "popular", "slim"]


def test_a_failing_generator_is_degraded_not_an_error(mixed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    release = mixed.app.state.holder.serving.release
    monkeypatch.setitem(release.cgs, "slim", FixedCG("slim", [], error=RuntimeError("no")))
    body = mixed.get(f"/mix/{USER}?n=4").json()
    assert body["degraded"] == ["cg:slim"]
    assert body["returned"] == 4


def test_a_slow_generator_is_degraded_within_the_budget(mixed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    release = mixed.app.state.holder.serving.release
    monkeypatch.setitem(release.cgs, "slim", FixedCG("slim", [], pause=0.5))
    response = mixed.get(f"/mix/{USER}?n=4&strategy=rrf")
    assert response.json()["degraded"] == ["cg:slim"]
    assert response.elapsed.total_seconds() < 0.4
