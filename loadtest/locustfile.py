"""A realistic mix of requests for locust: all generators, the blend, filters, unknown users, histories that come along.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000            # with its page on port 8089
    make loadtest                                                           # without, and an HTML report

Stands alone (the image of the compose file holds nothing else). Users are asked by a Zipf law: of the file
CANDGEN_LOADTEST_USERS (an id a line) or, without it, of those that the service's playground names. The load rises
in steps; CANDGEN_LOADTEST_STEPS sets them as `callers:seconds,…`. Beyond what the service can do, its overload gate
answers 503, and those are counted as failures.
"""

import itertools
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from locust import FastHttpUser, LoadTestShape, between, events, task

ZIPF = 0.8
UNKNOWN_SHARE = 0.02
STEPS = os.environ.get("CANDGEN_LOADTEST_STEPS", "5:20,10:20,20:20")


class Population:
    """The users, items and generators that requests name; filled when the first caller starts."""

    def __init__(self) -> None:
        self.users: Sequence[str] = ()
        self.weights: Sequence[float] = ()
        self.cgs: Sequence[str] = ()
        self.items: Sequence[str] = ()

    def fill(self, client: Any) -> None:
        """Ask the service what there is."""
        given = os.environ.get("CANDGEN_LOADTEST_USERS")
        self.users = (
            Path(given).read_text().split() if given else client.get("/playground/about").json()["sample_users"]
        )
        self.weights = list(itertools.accumulate((place + 1) ** -ZIPF for place in range(len(self.users))))
        self.cgs = [cg["name"] for cg in client.get("/cgs").json()["cgs"]]
        popular = client.get("/candidates/0?cg=popular&n=50&ids=string", name="/candidates (popular)").json()
        self.items = [item["item_id"] for item in popular["items"]]

    def user(self) -> str:
        """Draw one; now and then one whom nobody knows."""
        if random.random() < UNKNOWN_SHARE:
            return str(random.randrange(10**12, 10**13))
        return quote(random.choices(self.users, cum_weights=self.weights)[0], safe="")

    def some_items(self, k: int) -> str:
        """Draw popular items, as a list in a query."""
        return quote(",".join(random.sample(self.items, min(k, len(self.items)))), safe=",")


POPULATION = Population()


class RankingService(FastHttpUser):
    """One caller: a thread of the ranking service, with time to rank between two requests."""

    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        """Learn what there is to ask for."""
        if not POPULATION.users:
            POPULATION.fill(self.client)

    @task(10)
    def candidates(self) -> None:
        """One generator, any of them."""
        cg = random.choice(POPULATION.cgs)
        self.client.get(f"/candidates/{POPULATION.user()}?cg={cg}&n=100", name=f"/candidates cg={cg}")

    @task(10)
    def mix(self) -> None:
        """The blend at this moment."""
        self.client.get(f"/mix/{POPULATION.user()}?n=100", name="/mix")

    @task(3)
    def filtered(self) -> None:
        """Without what was seen, and without some items."""
        query = f"n=50&exclude_seen=true&exclude={POPULATION.some_items(5)}"
        self.client.get(f"/mix/{POPULATION.user()}?{query}", name="/mix filtered")

    @task(2)
    def with_history(self) -> None:
        """A session that the service has not heard of yet."""
        query = f"n=100&history={POPULATION.some_items(8)}"
        self.client.get(f"/candidates/{POPULATION.user()}?{query}", name="/candidates history")

    @task(1)
    def similar(self) -> None:
        """The page of an item."""
        self.client.get(f"/similar/{POPULATION.some_items(1)}?n=20", name="/similar")


class Steps(LoadTestShape):
    """More callers step by step, then the end."""

    def tick(self) -> tuple[int, float] | None:
        """Return the callers and how many may start a second."""
        end = 0.0
        for step in STEPS.split(","):
            callers, _, seconds = step.partition(":")
            end += float(seconds)
            if self.get_run_time() < end:
                return int(callers), 10.0
        return None


@events.quitting.add_listener
def fail_on_errors(environment: Any, **_: Any) -> None:
    """Make the exit status say whether a request failed."""
    if environment.stats.total.num_failures:
        environment.process_exit_code = 1
