"""`make compose-test`: the compose file end to end, on a small data set, under a project name of its own.

Build, up, healthy, candidates, mix, hardening, proxy, monitoring, load test, redis restarted, worker killed, service
rolled, stopped, down.
Standard library only: it runs on any host that has Docker and Compose (v2, or v1.29).
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROJECT = "candgen-test"
SECONDS_TO_TRAIN = 1200
PROFILES = ("--profile", "proxy", "--profile", "monitoring", "--profile", "loadtest")


class Compose:
    """One project; commands fail loudly."""

    def __init__(self, port: int, dataset: str) -> None:
        self._command = _compose_command()
        self.url = f"http://127.0.0.1:{port}"
        self.proxy_url = f"http://127.0.0.1:{port + 1}"
        self.locust_url = f"http://127.0.0.1:{port + 3}"
        settings = {"PUBLISHED_PORT": port, "PROXY_PORT": port + 1, "PROMETHEUS_PORT": port + 2, "DATASET": dataset}
        settings["LOCUST_PORT"] = port + 3
        self._environment = {**os.environ, "CANDGEN_TAG": "compose-test"}
        self._environment |= {f"CANDGEN_{name}": str(value) for name, value in settings.items()}

    def __call__(self, *arguments: str, check: bool = True, profile: str | None = None) -> str:
        """Run a compose command; return what it printed."""
        before = ["--profile", profile] if profile else []
        command = [*self._command, "-p", PROJECT, "-f", str(ROOT / "docker-compose.yml"), *before, *arguments]
        done = subprocess.run(command, env=self._environment, text=True, stdout=subprocess.PIPE, cwd=ROOT)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}")
        return done.stdout

    def container(self, service: str) -> str:
        """Return the id of a service's container, running or not."""
        return (
            self("ps", "-q", "-a", service).split()[0] if "v2" in self.version() else self("ps", "-q", service).strip()
        )

    def version(self) -> str:
        """Say v1 or v2."""
        return "v2" if len(self._command) == 2 else "v1"


def main() -> None:
    """Run all steps; the containers and volumes of the project are removed at the end, whatever happens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--port", type=int, default=18000, help="service; proxy, Prometheus and locust take the next three"
    )
    parser.add_argument("--dataset", default="movielens-100k")
    parser.add_argument("--keep", action="store_true", help="leave the project running")
    args = parser.parse_args()
    compose = Compose(args.port, args.dataset)
    try:
        for step in STEPS:
            start = time.monotonic()
            step(compose)
            print(f"ok  {step.__name__.replace('_', ' ')} ({time.monotonic() - start:.0f} s)", flush=True)
    except BaseException:
        print(compose("logs", "--tail", "30", check=False), file=sys.stderr)
        raise
    finally:
        if not args.keep:
            compose(*PROFILES, "down", "-v", "--remove-orphans", check=False)


def build(compose: Compose) -> None:
    """The image, from the Dockerfile."""
    compose("build", "trainer")


def up(compose: Compose) -> None:
    """The trainer ends with 0, then the service becomes healthy."""
    compose("up", "-d", "redis", "trainer")
    wait(lambda: state(compose, "trainer")["Status"] == "exited", SECONDS_TO_TRAIN, "the trainer to end")
    assert state(compose, "trainer")["ExitCode"] == 0
    compose("up", "-d", "service")
    wait_until_healthy(compose)


def second_up_trains_nothing(compose: Compose) -> None:
    """The store has a release, so it stays."""
    before = get(compose.url + "/health/ready")["release"]
    compose("up", "-d")
    wait_until_healthy(compose)
    assert get(compose.url + "/health/ready")["release"] == before


def candidates(compose: Compose) -> None:
    """Every generator answers with exactly n."""
    names = [cg["name"] for cg in get(compose.url + "/cgs")["cgs"]]
    assert len(names) >= 5, names
    for name in names:
        answer = get(f"{compose.url}/candidates/1?n=20&cg={name}")
        assert (answer["returned"], answer["user_known"], answer["degraded"]) == (20, True, []), answer


def mix(compose: Compose) -> None:
    """A blend."""
    answer = get(compose.url + "/mix/1?n=20")
    assert answer["returned"] == 20
    assert sum(answer["slots"].values()) > 0, answer


def hardened(compose: Compose) -> None:
    """Not root, and nothing can be written beside /tmp."""
    script = "id -u; touch /opt/venv/x /x /store/x 2>/dev/null && echo written; touch /tmp/x && echo tmp"
    lines = compose("exec", "-T", "service", "sh", "-c", script).split()
    assert lines == ["10001", "tmp"], lines


def proxy(compose: Compose) -> None:
    """The proxy passes answers and problems on."""
    compose("up", "-d", "proxy", profile="proxy")
    wait(lambda: answers(compose.proxy_url + "/health/ready"), 60, "the proxy to answer")
    assert get(compose.proxy_url + "/candidates/1?n=5") == get(compose.url + "/candidates/1?n=5")


def monitoring(compose: Compose) -> None:
    """Prometheus scrapes the service."""
    compose("up", "-d", "prometheus", profile="monitoring")
    query = f"http://127.0.0.1:{compose.url.rpartition(':')[2][:-1]}2/api/v1/query?query=sum(up)"
    wait(lambda: answers(query) and _value(get(query)) == 1, 90, "Prometheus to have scraped the service")


def load_tested(compose: Compose) -> None:
    """Locust finds the service and asks it; nothing fails."""
    compose("build", "--quiet", "locust", profile="loadtest")
    compose("up", "-d", "locust", profile="loadtest")
    statistics = compose.locust_url + "/stats/requests"
    wait(lambda: answers(statistics), 60, "locust to answer")
    users = urllib.parse.urlencode({"user_count": 5, "spawn_rate": 5, "host": "http://service:8000"}).encode()
    with urllib.request.urlopen(compose.locust_url + "/swarm", users, timeout=10) as response:
        assert json.load(response)["success"]
    wait(lambda: _asked(get(statistics)) >= 50, 120, "locust to have asked")
    assert get(statistics)["errors"] == []
    compose("stop", "locust", profile="loadtest")


def redis_restarted(compose: Compose) -> None:
    """Requests go on while Redis is away."""
    with answering(compose):
        compose("restart", "redis")
    wait(lambda: state(compose, "redis")["Health"]["Status"] == "healthy", 60, "redis to be healthy")


def worker_killed(compose: Compose) -> None:
    """A killed worker is replaced; the container goes on."""
    container, pid = compose.container("service"), get(compose.url + "/releases")["workers"][0]["pid"]
    compose("exec", "-T", "service", "sh", "-c", f"kill -9 {pid}")
    wait(lambda: pid not in pids(compose) and len(pids(compose)) >= 2, 60, "two other workers")
    assert compose.container("service") == container


def rolled(compose: Compose) -> None:
    """A new container gives the same answers."""
    before = get(compose.url + "/candidates/1?n=50")
    container = compose.container("service")
    compose("up", "-d", "--force-recreate", "--no-deps", "service")
    wait_until_healthy(compose)
    assert compose.container("service") != container
    assert get(compose.url + "/candidates/1?n=50") == before


def stopped(compose: Compose) -> None:
    """SIGTERM ends it with status 0."""
    container = compose.container("service")
    compose("stop", "service")
    assert inspect(container)["ExitCode"] == 0


STEPS: list[Callable[[Compose], None]] = [
    build,
    up,
    second_up_trains_nothing,
    candidates,
    mix,
    hardened,
    proxy,
    monitoring,
    load_tested,
    redis_restarted,
    worker_killed,
    rolled,
    stopped,
]


def get(url: str) -> Any:
    """Return the JSON of a 200."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def answers(url: str) -> bool:
    """Say whether a URL answers with 200."""
    try:
        get(url)
    except OSError:
        return False
    return True


def pids(compose: Compose) -> set[int]:
    """Return the workers that answered some requests, each on a connection of its own."""
    seen: set[int] = set()
    for _ in range(20):
        with contextlib.suppress(OSError):
            seen |= {worker["pid"] for worker in get(compose.url + "/releases")["workers"]}
    return seen


@contextlib.contextmanager
def answering(compose: Compose) -> Iterator[None]:
    """Ask all the time in another process while the block runs; every answer must be a 200."""
    loop = (
        "import sys, urllib.request as u\n"
        "n = 0\n"
        "print('started', flush=True)\n"
        "while True:\n"
        f"    u.urlopen('{compose.url}/candidates/1?n=5', timeout=10).read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        asking.stdout.readline()  # type: ignore[union-attr]
        yield
        assert asking.poll() is None, asking.stderr.read().decode()  # type: ignore[union-attr]
        asking.kill()


def wait_until_healthy(compose: Compose) -> None:
    """Wait for the health check of the service."""
    wait(
        lambda: state(compose, "service").get("Health", {}).get("Status") == "healthy", 180, "the service to be healthy"
    )


def wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.5)


def state(compose: Compose, service: str) -> dict[str, Any]:
    """Return the state of a service's container."""
    return inspect(compose.container(service))


def inspect(container: str) -> dict[str, Any]:
    """Return the state of a container."""
    printed = subprocess.run(
        ["docker", "inspect", "-f", "{{json .State}}", container], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def _value(answer: Any) -> float:
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _asked(statistics: dict[str, Any]) -> int:
    """Return how many requests locust has made."""
    return sum(int(row["num_requests"]) for row in statistics["stats"] if row["name"] == "Aggregated")


def _compose_command() -> list[str]:
    """Prefer v2; COMPOSE chooses."""
    if "COMPOSE" in os.environ:
        return os.environ["COMPOSE"].split()
    v2 = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    return ["docker", "compose"] if v2 else ["docker-compose"]


if __name__ == "__main__":
    main()
