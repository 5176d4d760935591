"""Every operation of the OpenAPI document, with data that keeps to it and data that does not, over real sockets."""

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SHORT, FULL = 2_000, 50_000


@pytest.mark.timeout(7200)
@pytest.mark.filterwarnings("ignore")  # of the libraries that make the data
def test_no_5xx_and_no_violation_of_the_document(server, counts):
    cases = counts(SHORT, FULL)
    schema = schemathesis.openapi.from_dict(server.get("/openapi.json")[1])
    operations = [found.ok() for found in schema.get_all_operations()]
    counted = dict.fromkeys((operation.label for operation in operations), 0)
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # one without parameters has one case only: the others make up for it
    rich = [operation for operation in operations if any(operation.iter_parameters()) or operation.body]
    each = cases // (len(rich) * len(modes)) + 1
    with requests.Session() as session:
        for operation in operations:
            for mode in modes if operation in rich else modes[:1]:
                counted[operation.label] += _fuzz(operation, mode, each, server.url, session)
    assert sum(counted.values()) >= cases
    assert server.total("candgen_requests_total", status="500") == 0
    print(f"COUNTED {sum(counted.values()):,} cases, no 5xx, no violation: {counted}")


def _fuzz(operation, mode, cases, url, session):
    n = 0

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(operation.as_strategy(mode))
    def check(case):
        nonlocal n
        n += 1
        response = case.call(base_url=url, session=session, timeout=10)
        if response.status_code == 503:  # the document has it, but here it would hide something
            raise AssertionError(response.text)
        case.validate_response(response, checks=CHECKS)

    check()
    return n
