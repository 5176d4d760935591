"""A mount namespace of one's own: file systems that are full or read-only, without harm to the machine's."""

import functools
import os
import shutil
import subprocess

import pytest


@functools.cache
def unshare() -> tuple[str, ...] | None:
    """Return what to put before a command, None where the kernel does not allow it."""
    command = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
    if shutil.which("unshare") is None:
        return None
    tried = subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return command if tried.returncode == 0 else None


def run(script: str, *arguments: str, env: dict[str, str] | None = None, timeout: float = 120):
    """Run a shell script that may mount; its arguments are $1, $2, …; skips the test where that is not allowed."""
    before = unshare()
    if before is None:
        pytest.skip("no mount namespaces here (neither root nor unprivileged user namespaces)")
    return subprocess.run(
        [*before, "sh", "-ec", script, "sh", *arguments],
        capture_output=True,
        text=True,
        env=env,
        timeout=timeout,
        check=False,
    )
