"""What is asked: paths of requests for users of a release."""

from pathlib import Path
from urllib.parse import quote

import numpy as np

from service.ids import Id
from service.release_manifest import DATA
from service.store import Store


def users_of(store: Path) -> list[Id]:
    """Return all users of the store's current release."""
    opened = Store(store)
    ids = opened.artifact(DATA, opened.release().artifacts[DATA]).arrays["user_ids"].tolist()
    return [user.decode() if isinstance(user, bytes) else user for user in ids]


def sample(users: list[Id], size: int, seed: int, zipf: float = 0.0) -> list[Id]:
    """Draw users with replacement: uniformly, or by a Zipf law of this exponent over a random order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(users))
    weights = 1.0 / np.arange(1, len(users) + 1) ** zipf
    drawn = rng.choice(order, size, p=weights / weights.sum())
    return [users[place] for place in drawn.tolist()]


def candidates(user: Id, query: str) -> str:
    """Return the path of one user's candidates."""
    return f"/candidates/{quote(str(user), safe='')}?{query}"


def mix(user: Id, query: str) -> str:
    """Return the path of one user's mix."""
    return f"/mix/{quote(str(user), safe='')}?{query}"
