"""`inspect`: what a release is made of."""

import argparse

from service.release_manifest import DATA
from service.store import Store
from training.cli.options import add_store
from training.tables import markdown

NAME = "inspect"
HELP = "show the artifacts of a release: versions, configs, sizes, and what data they were fitted on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument("--release", metavar="R", help="default: the served one")


def run(args: argparse.Namespace) -> None:
    """Print the release's settings, then a table of artifacts."""
    store = Store(args.store)
    release = store.release(args.release)
    manifests = {name: store.manifest(name, version) for name, version in release.artifacts.items()}
    fingerprint = manifests[DATA].data_fingerprint
    print(f"release {release.release}, created {release.created}, parent {release.parent or 'none'}")
    print(f"exclude_seen {str(release.exclude_seen).lower()}, default_cg {release.default_cg}")
    rows: dict[str, dict[str, object]] = {}
    for name, manifest in manifests.items():
        items = manifest.arrays.get("item_ids")
        rows[name] = {
            "algorithm": manifest.algorithm,
            "version": manifest.version,
            "created": manifest.created,
            "items": items.shape[0] if items else "",
            "MiB": round(manifest.bytes / 2**20, 1),
            "fit s": manifest.fit_seconds if manifest.fit_seconds is not None else "",
            "data": "this release's" if manifest.data_fingerprint == fingerprint else "OTHER DATA",
            "config": " ".join(f"{key}={value}" for key, value in manifest.config.items()),
        }
    print(markdown("artifact", rows))
