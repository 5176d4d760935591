"""`python -m tests.faults.overload --port 8000 --path '/mix/{user}?n=1000'`: goodput of a service under overload.

The peak is measured in the same run (4, 8 and 16 callers); then 1, 2, 5 and 10 times as much is offered, open loop.
Give client and server a core each (`taskset`), and the service one worker.
"""

import argparse

from tests.faults import load

DEADLINE = 0.2
FACTORS = (1, 2, 5, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--path", default="/mix/{user}?n=1000")
    parser.add_argument("--users", type=int, default=500, help="ids from 1")
    parser.add_argument("--seconds", type=float, default=4)
    args = parser.parse_args()
    paths = [args.path.replace("{user}", str(user)) for user in range(1, args.users)]
    load.closed_loop(args.port, paths, 4, 2)  # warm
    peak = max(load.closed_loop(args.port, paths, callers, 3).good(1) for callers in (4, 8, 16))
    print(f"peak {peak:.0f}/s")
    for factor in FACTORS:
        found = load.open_loop(args.port, paths, factor * peak, args.seconds)
        times = [f"{1000 * found.quantile(status, share):.0f}" for status in (200, 503) for share in (0.5, 0.99)]
        print(
            f"{factor:2} x: goodput {found.good(DEADLINE) / peak:.2f} of peak, "
            f"200 p50 p99 {times[0]} {times[1]} ms, 503 p50 p99 {times[2]} {times[3]} ms, {dict(found.statuses)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
