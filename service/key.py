"""The API key: who may administer, and write history."""

import hmac

from fastapi import Request

from service.errors import AdminOffError, WrongKeyError
from service.serving import Holder

HEADER = "X-API-Key"


def require_admin(request: Request) -> None:
    """Refuse who has no key; nobody has one where none is set.

    Raises:
        AdminOffError: the service has no key.
        WrongKeyError: the request's is missing or another one.
    """
    holder: Holder = request.app.state.holder
    if not holder.api_key:
        raise AdminOffError(
            "the service has no key, so its admin routes are off; set CANDGEN_API_KEY and start it again"
        )
    _compare(request, holder.api_key)


def require_writer(request: Request) -> None:
    """Refuse who has no key, where one is set; raises WrongKeyError."""
    holder: Holder = request.app.state.holder
    if holder.api_key:
        _compare(request, holder.api_key)


def _compare(request: Request, key: str) -> None:
    given = request.headers.get(HEADER)
    if given is None:
        raise WrongKeyError(f"no key; send the service's as the header {HEADER}")
    if not hmac.compare_digest(given.encode("latin-1"), key.encode()):
        raise WrongKeyError(f"the key in {HEADER} is not the service's")
