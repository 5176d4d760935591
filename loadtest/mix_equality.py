"""Whether a mix over HTTP is what the offline code computes: score every (generator, position), sort, take.

    python -m loadtest.mix_equality --store DIR --events FILE [--pairs 1000] [--n 100]

Draws requests (user, time, city, store) from an event log and asks a service for the mix of each, seen items allowed
and excluded in turn. The other side scores a row of features for every generator and position, tree by tree
(`MixModel.predict`), takes whole lists and sorts (`training.merge.sort_all`): none of it is on the request path.
Where no curve rises with the position, which the constraint `monotone` sees to, every answer must be the same item for
item, else the exit status is 1. Without it the merge is a greedy one, and this says how often that shows.
"""

import argparse
import http.client
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import orjson

from loadtest import paths, servers
from service import registry
from service.array_types import Ints
from service.cg.base import Candidates
from service.generate import make_query
from service.ids import Id
from service.mix import MixRequest
from service.mix_features import Context, list_lengths, request_features, rows
from service.mix_segments import values_of
from service.registry import Release
from service.store import Store
from training.events import read_events
from training.merge import sort_all
from training.requests import read_requests


@dataclass(frozen=True)
class Pair:
    """Two answers to one request."""

    online: Sequence[Id]
    offline: Sequence[Id]
    rising: bool
    """Whether a generator's score rises with the position somewhere."""

    @property
    def equal(self) -> bool:
        """The same items in the same order."""
        return self.online == self.offline

    @property
    def moved(self) -> float:
        """The share of places that hold another item."""
        same = sum(one == other for one, other in zip(self.online, self.offline, strict=False))
        return 1 - same / max(len(self.online), len(self.offline), 1)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--events", type=Path, required=True, help="canonical event log whose requests are drawn")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--n", type=int, default=100, help="items of an answer")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    release = registry.load(Store(args.store))
    if release.mixigen is None:
        parser.error(f"release {release.name} has no MixiGen; train one: python -m training mixigen")
    asked = requests_of(args.events, release, args.pairs, args.n, args.seed)
    pairs = compare(args.store, release, asked)
    print(f"release {release.name}, n = {args.n}\n{summary(pairs)}")
    sys.exit(any(not pair.equal and not pair.rising for pair in pairs))


def requests_of(events: Path, release: Release, n_pairs: int, n: int, seed: int) -> list[MixRequest]:
    """Draw requests of a log as mixes; every other one excludes seen items."""
    frame = read_requests(read_events(events), release).frame.sample(n_pairs, with_replacement=False, seed=seed)
    names = ("user_id", "timestamp", "city_name", "store_id")
    return [
        MixRequest(
            user,
            n=n,
            strategy="mixigen",
            exclude_seen=bool(row % 2),
            timestamp=timestamp,
            city_name=city,
            store_id=None if shop is None else str(shop),
        )
        for row, (user, timestamp, city, shop) in enumerate(frame.select(names).iter_rows())
    ]


def compare(store: Path, release: Release, asked: Sequence[MixRequest]) -> list[Pair]:
    """Ask a service on the store, whose current release is given, and the offline code."""
    with servers.service(store) as server:
        answers = list(_ask(server.url, asked))
    return [Pair(online, *_offline(release, request)) for request, online in zip(asked, answers, strict=True)]


def summary(pairs: Sequence[Pair]) -> str:
    """Say how many are equal, and by how much the others differ."""
    falling, rising = ([pair for pair in pairs if pair.rising is rises] for rises in (False, True))
    return f"{_line('no score rises with the position', falling)}\n{_line('a score rises somewhere', rising)}"


def _line(name: str, pairs: Sequence[Pair]) -> str:
    others = [pair for pair in pairs if not pair.equal]
    moved = f", those at {np.mean([pair.moved for pair in others]):.0%} of their places" if others else ""
    same = f"the same item for item {len(pairs) - len(others):,}, others {len(others):,}"
    return f"{name}: {len(pairs):,} pairs, {same}{moved}"


def _ask(url: str, asked: Sequence[MixRequest]) -> Iterator[list[Id]]:
    """Yield the items that generators supplied, fill left out."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    for request in asked:
        connection.request("GET", paths.mix(request.user_id, _query(request)))
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"user {request.user_id}: wanted a mix, got status {response.status}: {content[:300]!r}")
        body = orjson.loads(content)
        if body["degraded"]:
            raise RuntimeError(f"user {request.user_id}: degraded by {', '.join(body['degraded'])}; ask less at once")
        yield [item["item_id"] for item in body["items"] if not item.get("fill")]
    connection.close()


def _query(request: MixRequest) -> str:
    values = {
        "n": request.n,
        "strategy": request.strategy,
        "exclude_seen": str(request.exclude_seen).lower(),
        "timestamp": request.timestamp,
        "city_name": request.city_name,
        "store_id": request.store_id,
    }
    return urlencode({name: value for name, value in values.items() if value is not None})


def _offline(release: Release, request: MixRequest) -> tuple[list[Id], bool]:
    """Return the items by scoring and sorting all places, and whether a score rises; for a release with a MixiGen."""
    assert release.mixigen is not None
    model = release.mixigen.model
    query, _ = make_query(release, request, release.history.lookup(request.user_id))
    cgs = [release.cg(name) for name in model.schema.cgs]
    context = Context(int(request.timestamp or 0), request.city_name, request.store_id, bool(request.exclude_seen))
    habits = None if model.habits is None else model.habits.of(query, context.exclude_seen)
    vector = request_features(query.history, context, model.schema)
    start = model.segments.of(values_of(vector, habits, model.schema))
    corrections = model.predict(rows(vector, model.schema, list_lengths(cgs, query), habits))
    curves = start + corrections.reshape(start.shape)
    lists = _padded([cg.rank(query).top(request.n) for cg in cgs], request.n)
    places = sort_all(lists, curves, request.n)
    return release.items.ids_of(lists.ravel()[places]), bool((np.diff(curves) > 0).any())


def _padded(lists: Sequence[Candidates], depth: int) -> Ints:
    """Return the items as (n_lists, depth), −1 where a list has ended."""
    items = np.full((len(lists), depth), -1, np.int32)
    for row, found in enumerate(lists):
        items[row, : len(found)] = found.items
    return items


if __name__ == "__main__":
    main()
