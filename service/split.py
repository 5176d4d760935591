"""A canary: some users are served another release, always the same users."""

import re
from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate

from service.release_manifest import RELEASE_PATTERN


class Split:
    """Shares of users by release; none: all users get the current one."""

    def __init__(self, text: str = "") -> None:
        """Take `releaseA=95,releaseB=5`, shares of any sum.

        Raises:
            ValueError: says what is wrong with the text.
        """
        shares = dict(_share(part.strip()) for part in text.split(",") if part.strip())
        total = sum(shares.values())
        if shares and not total > 0:
            raise ValueError("all shares are 0; wanted one above 0")
        self.names = list(shares)
        self._bounds = [bound / total for bound in accumulate(shares.values())]

    def __bool__(self) -> bool:
        return bool(self.names)

    def release_of(self, user: str) -> str:
        """Return the release of a user, by a hash that is the same on every worker and after every start."""
        digest = blake2b(user.encode(errors="surrogatepass"), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        return self.names[min(bisect_right(self._bounds, place), len(self.names) - 1)]


def _share(part: str) -> tuple[str, float]:
    name, _, share = part.partition("=")
    if not re.fullmatch(RELEASE_PATTERN, name) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", share):
        raise ValueError(f"{part[:60]!r} is not RELEASE=SHARE; `python -m training releases` lists the releases")
    return name, float(share)
