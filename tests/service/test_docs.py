"""/docs works offline and /openapi.json says what the service does."""

import re

import pytest

from service import parameters
from tests.service.client import Client


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="(/ui/[^"]+)"', page.text)
    assert linked == ["/ui/docs.css", "/ui/icon.svg", "/ui/docs.js"]
    for path in linked:
        loaded = client.get(path)
        assert loaded.status_code == 200
        assert "http://" not in loaded.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in loaded.text
    assert "//" not in page.text.replace("<!doctype", "")


def test_all_routes_and_parameters_are_described(client: Client) -> None:
    api = client.get("/openapi.json").json()
    assert set(api["paths"]) == {
        "/candidates/{user_id}",
        "/candidates",
        "/candidates:batch",
        "/mix/{user_id}",
        "/mix",
        "/similar/{item_id}",
        "/history/{user_id}",
        "/admin/reload",
        "/admin/rollback",
        "/admin/blocked/{item_id}",
        "/cgs",
        "/releases",
        "/health/live",
        "/health/ready",
    }
    for path, schema, table in (
        ("/candidates/{user_id}", "CandidatesRequest", parameters.CANDIDATES),
        ("/mix/{user_id}", "MixRequest", parameters.MIX),
    ):
        described = api["paths"][path]["get"]["parameters"]
        assert [parameter["name"] for parameter in described] == ["user_id", *table]
        assert all(parameter["description"] for parameter in described)
        request = api["components"]["schemas"][schema]
        assert set(request["properties"]) == {"user_id", *table}
        assert request["required"] == ["user_id"]


def test_errors_are_described_as_problems(client: Client) -> None:
    api = client.get("/openapi.json").json()
    for path, methods in api["paths"].items():
        for operation in methods.values():
            failures = {k: v for k, v in operation["responses"].items() if int(k) >= 400}
            assert {"400", "500", "503"} <= set(failures), path
            for failure in failures.values():
                assert list(failure["content"]) == ["application/problem+json"]
    post = api["paths"]["/candidates"]["post"]["responses"]
    assert set(post) == {"200", "400", "404", "413", "415", "422", "500", "503"}


@pytest.mark.parametrize("name", ["UserIdText", "ItemIdText"])
def test_ids_have_the_type_of_the_release(client: Client, string_client: Client, name: str) -> None:
    assert client.get("/openapi.json").json()["components"]["schemas"][name]["type"] == "integer"
    assert string_client.get("/openapi.json").json()["components"]["schemas"][name]["type"] == "string"


def test_every_reference_leads_somewhere(client: Client) -> None:
    response = client.get("/openapi.json")
    names = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert names <= set(response.json()["components"]["schemas"])
