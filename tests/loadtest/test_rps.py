"""The ratio benchmark in a short form: real servers, real clients."""

from loadtest import rps
from tests.stores import tiny_store


def test_every_case_is_driven_and_compared_with_the_floor(tmp_path):
    store = tiny_store(tmp_path)
    rows = rps.measure(store.root, ["popular", "ease", "mix"], n=5, rounds=1, seconds=0.3, share=0)
    assert [row.name for row in rows] == ["floor", "asgi", "popular", "ease", "mix"]
    assert rows[0].ratio == rows[0].cpu_ratio == 1
    assert all(row.per_second > 0 and row.cpu_us > 0 for row in rows)
    asgi = rows[1]
    assert asgi.cpu_us < rows[0].cpu_us, "a bare callable costs less than a framework"
    lines = rps.table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[2].startswith("| floor |")
