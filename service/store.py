"""A store of artifacts and releases on disk: which release is served, publish, roll back, prune.

Readers need no lock: artifacts and release files are immutable, CURRENT is replaced atomically.
Writers hold a lock from reading the parent release to writing CURRENT; it goes with its process.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service import artifact
from service.artifact import NAME_PATTERN, Artifact, Draft, Manifest
from service.artifact_files import open_regular, sync_folder
from service.errors import NotWritableError, StoreError
from service.release_manifest import (
    DATA,
    RELEASE_PATTERN,
    ReleaseManifest,
    check_together,
    choose_default_cg,
    new_name,
    now,
    valid_name,
)

BLOCKED = "BLOCKED"
"""Ids of items taken off at once, one a line."""
_UNPUBLISHED_KEPT_SECONDS = 24 * 3600
_MAX_CURRENT_BYTES, _MAX_RELEASE_BYTES, _MAX_BLOCKED_BYTES = 1 << 10, 4 << 20, 64 << 20


class Store:
    """The folder `models_store`."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    # reading

    def current(self) -> str | None:
        """Return the name of the served release, None if nothing was ever published."""
        try:
            with open_regular(self.root / "CURRENT") as file:
                name = file.read(_MAX_CURRENT_BYTES).decode("ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.root / 'CURRENT'}: cannot be read ({error})") from error
        return valid_name(name)

    def releases(self) -> list[str]:
        """Return the names of all releases, oldest first."""
        found = (path.stem for path in (self.root / "releases").glob("*.json"))
        return sorted(name for name in found if re.fullmatch(RELEASE_PATTERN, name))

    def release(self, name: str | None = None) -> ReleaseManifest:
        """Read a release's manifest; the current one's by default."""
        name = name or self.current()
        if name is None:
            raise StoreError(f"{self.root}: holds no release; make one with `python -m training pipeline` or `fit`")
        path = self.root / "releases" / f"{valid_name(name)}.json"
        try:
            with open_regular(path) as file:
                manifest = ReleaseManifest.model_validate_json(file.read(_MAX_RELEASE_BYTES))
        except FileNotFoundError:
            known = ", ".join(self.releases()[-5:]) or "none"
            raise StoreError(f"{self.root}: no release {name}; the newest are: {known}") from None
        except (OSError, ValidationError) as error:
            raise StoreError(f"{path}: not a valid release ({str(error).splitlines()[0]})") from error
        if manifest.release != name:
            raise StoreError(f"{path}: names itself {manifest.release}")
        return manifest

    def artifact_folder(self, name: str, version: str) -> Path:
        """Return where an artifact lies; refuses names that would lead out of the store."""
        if not re.fullmatch(NAME_PATTERN, name) or not re.fullmatch("^[0-9a-f]{16}$", version):
            raise StoreError(f"{name!r}={version!r} does not name an artifact (want NAME=VERSION)")
        return self.root / "artifacts" / name / version

    def manifest(self, name: str, version: str) -> Manifest:
        """Read an artifact's manifest alone."""
        return artifact.read_manifest(self.artifact_folder(name, version))

    def artifact(self, name: str, version: str) -> Artifact:
        """Validate and map an artifact."""
        return artifact.read(self.artifact_folder(name, version), name=name, version=version)

    def blocked(self) -> list[str]:
        """Return the ids of the items that were taken off, as texts."""
        try:
            with open_regular(self.root / BLOCKED) as file:
                content = file.read(_MAX_BLOCKED_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self.root / BLOCKED}: cannot be read ({error.strerror})") from error
        lines = (line.strip() for line in content.decode("utf-8", errors="replace").split("\n"))
        return list(dict.fromkeys(line for line in lines if line))

    # writing

    def set_blocked(self, item: str, blocked: bool) -> list[str]:
        """Take an item off, or put it back; return all that are off now."""
        with self._lock():
            others = [other for other in self.blocked() if other != item]
            items = [*others, item] if blocked else others
            self._replace(self.root / BLOCKED, "".join(f"{other}\n" for other in items))
        return items

    def publish(
        self,
        drafts: list[Draft] | None = None,
        *,
        artifacts: Mapping[str, str] | None = None,
        base: str | None = None,
        exclude_seen: bool | None = None,
        default_cg: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        keep_base: bool = True,
    ) -> ReleaseManifest:
        """Write drafts, then make a release of the base's artifacts, `artifacts` and the drafts; serve it.

        The base is the served release, or the one named; `keep_base=False` inherits only its settings.
        """
        written = self._write_all(drafts or [])
        with self._lock(), self._installed(written) as installed:
            parent = self.current()
            inherited = self.release(base or parent) if base or parent else None
            chosen = dict(inherited.artifacts) if inherited and keep_base else {}
            chosen.update(artifacts or {})
            chosen.update(installed)
            self._check_release(chosen)
            release = ReleaseManifest(
                release=new_name(self.releases()),
                created=now(),
                parent=parent,
                artifacts=dict(sorted(chosen.items())),
                metrics=dict(metrics or {}),
                exclude_seen=_first(exclude_seen, inherited.exclude_seen if inherited else None, True),
                default_cg=choose_default_cg(default_cg, inherited.default_cg if inherited else None, chosen),
            )
            path = self.root / "releases" / f"{release.release}.json"
            self._replace(path, release.model_dump_json(indent=1))
            try:
                self._replace(self.root / "CURRENT", release.release + "\n")
            except NotWritableError:
                path.unlink()  # a release that was never served must not be listed
                raise
        return release

    def add(self, drafts: list[Draft]) -> dict[str, str]:
        """Write drafts without a release; return name → version."""
        written = self._write_all(drafts)
        with self._lock(), self._installed(written) as installed:
            return installed

    def draft_release(self, artifacts: Mapping[str, str], default_cg: str) -> ReleaseManifest:
        """Return a release of artifacts of the store that is not published: to be evaluated."""
        self._check_release(artifacts)
        name = new_name(self.releases())
        return ReleaseManifest(
            release=name, created=now(), parent=None, artifacts=dict(artifacts), default_cg=default_cg
        )

    def rollback(self, to: str | None = None) -> str:
        """Serve the parent of the current release, or a named one."""
        with self._lock():
            target = to or self.release().parent
            if target is None:
                raise StoreError(f"{self.release().release} has no parent to roll back to; name one with --to")
            manifest = self.release(target)
            self._check_release(manifest.artifacts)
            self._replace(self.root / "CURRENT", manifest.release + "\n")
        return manifest.release

    def prune(self, keep: int) -> list[str]:
        """Remove all but the last `keep` releases (and the served one) and what only they used.

        Artifacts of no release at all stay for a day: a fit may be about to publish them.
        """
        if keep < 1:
            raise StoreError(f"cannot keep {keep} releases; the served one always stays, so keep 1 or more")
        with self._lock():
            names = self.releases()
            kept = set(names[-keep:]) | {self.current()}
            used = self._used_by(name for name in names if name in kept)
            was_used = self._used_by(names)
            removed = []
            for name in (name for name in names if name not in kept):
                (self.root / "releases" / f"{name}.json").unlink()
                removed.append(f"releases/{name}")
            for folder in (self.root / "artifacts").glob("*/*"):
                key = (folder.parent.name, folder.name)
                if key not in used and (key in was_used or _age(folder) > _UNPUBLISHED_KEPT_SECONDS):
                    shutil.rmtree(folder)
                    removed.append(f"artifacts/{key[0]}/{key[1]}")
        return removed

    def _used_by(self, names: Iterator[str] | list[str]) -> set[tuple[str, str]]:
        return {item for name in names for item in self.release(name).artifacts.items()}

    def _write_all(self, drafts: list[Draft]) -> list[tuple[Path, Manifest]]:
        """Write all drafts, or leave none."""
        written: list[tuple[Path, Manifest]] = []
        try:
            written.extend(self._write(draft) for draft in drafts)
        except BaseException:
            for folder, _ in written:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return written

    def _write(self, draft: Draft) -> tuple[Path, Manifest]:
        if not re.fullmatch(NAME_PATTERN, draft.name):
            raise StoreError(f"{draft.name!r} cannot name an artifact; use letters, digits, _ and -")
        try:
            return artifact.write(self.root / "artifacts" / draft.name, draft)
        except OSError as error:
            raise StoreError(f"{self.root}: cannot write {draft.name} ({error.strerror})") from error

    @contextlib.contextmanager
    def _installed(self, written: list[tuple[Path, Manifest]]) -> Iterator[dict[str, str]]:
        """Put written artifacts into place; name → version. If what follows fails, those that are new go again."""
        targets = [folder.parent / manifest.version for folder, manifest in written]
        new = [target for target in targets if not target.exists()]
        try:
            yield {manifest.name: self._install(folder, manifest) for folder, manifest in written}
        except BaseException:
            for target in new:
                shutil.rmtree(target, ignore_errors=True)
            raise

    def _install(self, folder: Path, manifest: Manifest) -> str:
        """Rename a written artifact into place; the same content may be there already."""
        target = folder.parent / manifest.version
        if target.exists():
            shutil.rmtree(folder)
            os.utime(target)
        else:
            folder.rename(target)
            sync_folder(target.parent)
        return manifest.version

    def _check_release(self, artifacts: Mapping[str, str]) -> None:
        if DATA not in artifacts:
            raise StoreError(f"{self.root}: a release needs the artifact {DATA!r}; `fit` any model to write it")
        check_together([self.manifest(name, version) for name, version in artifacts.items()])

    def _replace(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees the old or the new, also after a crash."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise NotWritableError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise NotWritableError(f"{self.root}: not writable ({error.strerror})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _first(*values: bool | None) -> bool:
    return next(value for value in values if value is not None)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
