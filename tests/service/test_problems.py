"""Faults of ours are answered without their inside, and logged."""

import logging

import pytest

from service import answers, problems
from service.errors import CandgenError
from tests.service.client import Client


def all_errors(base: type = CandgenError) -> list[type]:
    return [found for sub in base.__subclasses__() for found in (sub, *all_errors(sub))]


def test_an_unexpected_error(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(answers, "generate_each", fail)
    with caplog.at_level(logging.ERROR):
        response = client.get("/candidates/1", headers={"X-Request-ID": "r-1"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == response.json()["request_id"] == "r-1"
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    assert "secret" in caplog.text
    assert "r-1" in caplog.text


def test_every_domain_error_has_a_status() -> None:
    for error in all_errors():
        known = next(base for base in error.__mro__ if base in problems.STATUSES)
        assert 400 <= problems.STATUSES[known][0] < 600


def test_every_type_is_explained_in_the_docs(client: Client) -> None:
    slugs = {kind["slug"] for kind in client.get("/openapi.json").json()["x-problems"]}
    for path in ("/candidates/x", "/candidates/1?cg=no", "/similar/5"):
        kind = client.get(path).json()["type"]
        assert kind.startswith("/docs#")
        assert kind.removeprefix("/docs#") in slugs
    assert client.get("/nope").json()["type"] == "about:blank"
