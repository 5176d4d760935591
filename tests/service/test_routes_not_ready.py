"""A worker without a release lives, says why it is not ready, and mends itself."""

import time
from pathlib import Path

import pytest

from service import registry, swap
from tests.service.client import running
from tests.stores import tiny_store, user_id


@pytest.fixture(autouse=True)
def _notices_a_new_release_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again because CURRENT has changed, not because time has passed."""
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(swap, "FIRST_PAUSE", 1000.0)


NEEDS_A_RELEASE = ["/candidates/1", "/candidates/abc", "/similar/1", "/cgs", "/health/ready"]


def test_without_a_release_then_with_one(tmp_path: Path) -> None:
    with running(tmp_path, ready=False) as client:
        client.let_run(0.3)
        for path in NEEDS_A_RELEASE:
            response = client.get(path)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert "holds no release" in response.json()["detail"]
        assert client.post("/candidates", content=b"").status_code == 503
        assert client.get("/health/live").status_code == 200
        assert client.get("/releases").json()["releases"] == []
        assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 200
        tiny_store(tmp_path)
        client.wait_until_ready()
        assert client.get(f"/candidates/{user_id(0)}").json()["user_known"] is True


def test_a_damaged_release_is_refused_and_its_successor_taken(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    weights = next(tmp_path.glob("artifacts/ease/*/weights.npy"))
    good = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with running(tmp_path, ready=False) as client:
        client.let_run(0.1)
        while "being loaded" in (detail := client.get("/health/ready").json()["detail"]):
            client.let_run(0.05)
        assert "SHA-256" in detail
        kept = {key: value for key, value in store.release().artifacts.items() if key != "ease"}
        newer = store.publish(artifacts=kept, keep_base=False, default_cg="popular")
        client.wait_until_ready()
        assert client.app.state.holder.release_name == newer.release


def test_a_release_that_is_mended_in_place_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "FIRST_PAUSE", 0.1)
    store = tiny_store(tmp_path)
    manifest = tmp_path / "releases" / f"{store.current()}.json"
    good = manifest.read_bytes()
    manifest.write_text("{")
    with running(tmp_path, ready=False) as client:
        client.let_run(0.3)
        assert client.get("/health/ready").status_code == 503
        manifest.write_bytes(good)
        client.wait_until_ready()


def test_an_unreadable_manifest_does_not_hide_the_other_releases(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    broken = tmp_path / "releases" / "20000101T000000-000000.json"
    broken.write_text("{")
    with running(tmp_path) as client:
        good, bad = client.get("/releases").json()["releases"]
        assert good["release"] == store.current()
        assert "not a valid release" in bad["error"]


def test_the_loop_answers_while_a_release_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_store(tmp_path)
    load = registry.load

    def slowly(*given: object) -> registry.Release:
        time.sleep(0.5)
        return load(*given)

    monkeypatch.setattr(registry, "load", slowly)
    with running(tmp_path, ready=False) as client:
        client.let_run(0.05)
        start = time.perf_counter()
        assert client.get("/health/live").status_code == 200
        response = client.get("/health/ready")
        assert time.perf_counter() - start < 0.3
        assert response.status_code == 503
        assert "being loaded" in response.json()["detail"]
        client.wait_until_ready()
