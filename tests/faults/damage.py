"""What can happen to a file of a release, and what a manifest can claim; and back again."""

import json
import os
from pathlib import Path

from service.artifact import MANIFEST
from service.store import Store


def truncated(path: Path, content: bytes, rng) -> None:
    path.write_bytes(content[: rng.integers(0, len(content))])


def flipped(path: Path, content: bytes, rng) -> None:
    changed = bytearray(content)
    changed[rng.integers(0, len(content))] ^= 1 << int(rng.integers(0, 8))
    path.write_bytes(changed)


def zeroed(path: Path, content: bytes, rng) -> None:
    start = int(rng.integers(0, len(content)))
    stop = min(len(content), start + int(rng.integers(1, 4096)))
    path.write_bytes(content[:start] + bytes(stop - start) + content[stop:])


def random_block(path: Path, content: bytes, rng) -> None:
    start = int(rng.integers(0, len(content)))
    stop = min(len(content), start + int(rng.integers(1, 4096)))
    path.write_bytes(content[:start] + rng.bytes(stop - start) + content[stop:])


def extended(path: Path, content: bytes, rng) -> None:
    path.write_bytes(content + rng.bytes(int(rng.integers(1, 100))))


def missing(path: Path, content: bytes, rng) -> None:
    path.unlink()


def swapped(path: Path, content: bytes, rng) -> None:
    others = [other for other in sorted(path.parent.iterdir()) if other.read_bytes() != content]
    path.write_bytes(others[rng.integers(0, len(others))].read_bytes())


def linked(path: Path, content: bytes, rng) -> None:
    kept = path.with_name("zz.kept")
    path.rename(kept)
    path.symlink_to(kept)


def pipe(path: Path, content: bytes, rng) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, content: bytes, rng) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (truncated, flipped, zeroed, random_block, extended, missing, swapped, linked, pipe, folder)

# what a manifest can claim; the checksums of what it names are kept right


HOSTILE = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "..",
    "",
    "a/b",
    "x\0y",
    -1,
    2**70,
    10**18,
    None,
    [],
    {},
    [[]] * 5,
    "\ud800",
    1e308,
    True,
    "weights",
)


def hostile_manifest(path: Path, content: bytes, rng) -> None:
    """Put a value that has no business there in a place that matters, or a name that leads out."""
    manifest = json.loads(content)
    arrays = manifest["arrays"]
    value = HOSTILE[rng.integers(0, len(HOSTILE))]
    places = ["name", "algorithm", "version", "config", "item_id_type", "user_id_type", "data_fingerprint", "format"]
    places += ["array", "array_name", "surprise"]
    place = places[rng.integers(0, len(places))] if arrays else places[rng.integers(0, 8)]
    if place == "array":
        key = sorted(arrays)[rng.integers(0, len(arrays))]
        field = ("size", "sha256", "dtype", "shape")[rng.integers(0, 4)]
        arrays[key][field] = [10**9, 10**9] if field == "shape" and rng.random() < 0.5 else value
    elif place == "array_name":
        key = sorted(arrays)[rng.integers(0, len(arrays))]
        arrays[str(value)] = arrays.pop(key)
    else:
        manifest[place] = value
    path.write_text(json.dumps(manifest, indent=1))


def damage(root: Path, rng) -> tuple[str, Path, bytes]:
    """Damage one file of the served release; return what was done, and what to restore."""
    store = Store(root)
    name, version = sorted(store.release().artifacts.items())[rng.integers(0, len(store.release().artifacts))]
    where = store.artifact_folder(name, version)
    if rng.random() < 0.3:
        path = where / MANIFEST
        content = path.read_bytes()
        hostile_manifest(path, content, rng)
        return "hostile manifest", path, content
    files = [path for path in sorted(where.iterdir()) if path.name != MANIFEST]
    if not files:
        return damage(root, rng)
    path = files[rng.integers(0, len(files))]
    content = path.read_bytes()
    done = DAMAGES[rng.integers(0, len(DAMAGES))]
    done(path, content, rng)
    return done.__name__, path, content


def restore(path: Path, content: bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.with_name("zz.kept").unlink(missing_ok=True)
    path.write_bytes(content)
