"""The OpenAPI document: parameters from the tables that read them, id types from the release."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from service import history_body, parameters, problems, schemas
from service.ids import INTEGER_PATTERN, MAX_STRING_ID_BYTES, IdType
from service.parameters import Parameter

Part = dict[str, Any]

_ERRORS: Mapping[int, str] = {
    401: "The key is missing or another one",
    403: "The service has no key, so this is off",
    409: "Not possible in this setting: the history or the store is read-only",
    400: "The request is malformed: not HTTP, not JSON, or a URL of more than 64 KB",
    404: "Unknown candidate generator or item",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "Parameters that cannot be used, each with what was seen and what is wanted",
    500: "An unexpected error",
    503: "Not ready: no release is loaded, or the store of histories does not answer",
}
_HEADERS: Part = {
    "X-Request-ID": {"description": "The request's own, or a new one", "schema": {"type": "string"}},
    "X-Model-Release": {"description": "The release that answered", "schema": {"type": "string"}},
}


def _query(names: Mapping[str, Parameter]) -> list[Part]:
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "allowEmptyValue": True,
            "description": parameter.description + (_LIST_HINT if _is_list(parameter) else ""),
            "schema": parameter.kind.text_schema,
        }
        for name, parameter in names.items()
    ]


_LIST_HINT = " Comma-separated or repeated."


def _is_list(parameter: Parameter) -> bool:
    return parameter.kind.text_schema.get("type") == "array"


def _path(name: str, parameter: Parameter) -> Part:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": parameter.description,
        "schema": parameter.kind.text_schema,
    }


def _body_schema(names: Mapping[str, Parameter]) -> Part:
    """Describe a JSON request; null or an empty string stand for an absent value."""
    optional = _optional(names)
    user = {"user_id": {"description": parameters.USER_ID.description, **parameters.USER_ID.kind.json_schema}}
    return {
        "type": "object",
        "properties": {**user, **optional},
        "required": ["user_id"],
        "additionalProperties": False,
    }


def _optional(names: Mapping[str, Parameter], required: str = "") -> Part:
    """Describe values of which all but one may be absent."""
    return {
        name: {
            "description": parameter.description,
            "anyOf": [parameter.kind.json_schema] + ([] if name == required else [{"enum": [None, ""]}]),
        }
        for name, parameter in names.items()
    }


def _json_body(schema: Part) -> Part:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


CANDIDATES: Part = {"parameters": [_path("user_id", parameters.USER_ID), *_query(parameters.CANDIDATES)]}
SIMILAR: Part = {"parameters": [_path("item_id", parameters.ITEM_ID), *_query(parameters.SIMILAR)]}
MIX: Part = {"parameters": [_path("user_id", parameters.USER_ID), *_query(parameters.MIX)]}
MIX_BODY: Part = _json_body({"$ref": "#/components/schemas/MixRequest"})
CANDIDATES_BODY: Part = _json_body({"$ref": "#/components/schemas/CandidatesRequest"})
BATCH_BODY: Part = _json_body(
    {
        "type": "object",
        "properties": {
            # a request that cannot be used gives an error in its place, not one of the whole
            "requests": {
                "type": "array",
                "maxItems": parameters.MAX_BATCH,
                "description": "Each as the body of POST /candidates.",
                "items": {"anyOf": [{"$ref": "#/components/schemas/CandidatesRequest"}, {}]},
            }
        },
        "required": ["requests"],
        "additionalProperties": False,
    }
)

HISTORY_USER: Part = {"parameters": [_path("user_id", parameters.USER_ID)], "security": [{"key": []}, {}]}
HISTORY_BODY: Part = {
    **HISTORY_USER,
    **_json_body(
        {
            "type": "object",
            "properties": {
                "events": {
                    "type": "array",
                    "maxItems": history_body.MAX_EVENTS,
                    "items": {
                        "type": "object",
                        "properties": _optional(history_body.EVENT, required="item_id"),
                        "required": ["item_id"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["events"],
            "additionalProperties": False,
        }
    ),
}
ADMIN: Part = {"security": [{"key": []}]}
ADMIN_ITEM: Part = {**ADMIN, "parameters": [_path("item_id", parameters.ITEM_ID)]}


def written(answer: type[BaseModel], request: Part, status: int = 200) -> dict[str, Any]:
    """Return the arguments of a route that changes something: `operation` with what a key and a state can refuse."""
    described = operation(answer, request)
    responses = described["responses"]
    for code in (401, 403, 409):
        responses[code] = {"description": _ERRORS[code], "model": schemas.Problem}
    responses[status] = {"model": answer, "description": "Done" if status == 200 else "Accepted"}
    if status != 200:
        del responses[200]
    return {**described, "status_code": status}


def operation(answer: type[BaseModel], request: Part | None = None) -> dict[str, Any]:
    """Return the arguments of a route: what it answers, what it takes, how it can fail."""
    statuses = [400, 500, 503]
    if request:
        statuses += [404, 422]
    if request and "requestBody" in request:
        statuses += [413, 415]
    failures: dict[int | str, Part] = {
        status: {"description": _ERRORS[status], "model": schemas.Problem} for status in sorted(statuses)
    }
    success: dict[int | str, Part] = {200: {"model": answer, "headers": _HEADERS, "description": "The answer"}}
    return {"responses": {**success, **failures}, "openapi_extra": request, "response_model": None}


def document(app: FastAPI, user_type: IdType | None, item_type: IdType | None) -> Part:
    """Return the document for a release with these id types (None: not known yet)."""
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.router.routes)
    for path in made["paths"].values():
        for described in path.values():
            _as_problems(described["responses"])
    made["components"]["schemas"].update(
        UserId=_id(user_type),
        UserIdText=_id_text(user_type),
        ItemId=_id(item_type),
        ItemIdText=_id_text(item_type),
        CandidatesRequest=_body_schema(parameters.CANDIDATES),
        MixRequest=_body_schema(parameters.MIX),
    )
    made["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    made["x-problems"] = problems.kinds()
    return made


def _as_problems(responses: Part) -> None:
    for status, described in responses.items():
        if int(status) >= 400:
            described["content"] = {problems.MEDIA_TYPE: described["content"]["application/json"]}


_INTEGER: Part = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
_STRING: Part = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_STRING_ID_BYTES,
    "description": f"At most {MAX_STRING_ID_BYTES} bytes as UTF-8.",
}


def _id(id_type: IdType | None) -> Part:
    """Describe an id in JSON; an integer may come as a string of plain decimal digits."""
    if id_type == "string":
        return _STRING
    return {"anyOf": [_INTEGER, {"type": "string", "pattern": INTEGER_PATTERN} if id_type else _STRING]}


def _id_text(id_type: IdType | None) -> Part:
    """Describe an id in a path or query."""
    if id_type == "string":
        return {**_STRING, "pattern": "^[^/,\\x00]+$"}
    return _INTEGER if id_type else {"anyOf": [_INTEGER, _STRING]}
