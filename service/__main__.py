"""`python -m service`: serve a store over HTTP."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from service import environment, kernel_cache
from service.errors import CandgenError
from service.listening import BACKLOG, listen
from service.settings import PREFIX, Settings, read
from service.workers import run_folder

_FLAGS = ("store", "host", "port", "workers")
_LONGEST_GOODBYE = 10
"""Seconds that open answers may take once the worker has stopped listening."""
SERVER_OPTIONS: Mapping[str, Any] = {
    "loop": "uvloop",
    "http": "service.protocol:Protocol",
    "log_config": None,
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "backlog": BACKLOG,
    "proxy_headers": False,
    "timeout_graceful_shutdown": _LONGEST_GOODBYE,
}
"""How uvicorn is run; the load tests run their floor in the same way."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _fail(f"{message}; see {self.prog} --help")


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT (exit status 0); a usage error is one line and status 2."""
    settings = _settings(arguments)
    listener = _listener(settings)
    try:
        environment.prepare()
        kernel_cache.forget_stale(kernel_cache.SERVICE)
    except CandgenError as error:
        _fail(str(error))
    # a worker process reads its settings from the environment
    os.environ.update({f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in _FLAGS})
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after a clean shutdown
        signal.signal(number, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]
    address = f"[{host}]" if ":" in host else host
    print(f"Candgen serves {settings.store} on http://{address}:{port}", file=sys.stderr, flush=True)
    with run_folder():
        _serve(settings, listener)


def _serve(settings: Settings, listener: Any) -> None:
    import uvicorn  # after environment.prepare
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "service.app:from_environment",
        factory=True,
        workers=settings.workers,
        **SERVER_OPTIONS,
    )
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def _listener(settings: Settings) -> Any:
    try:
        return listen(settings.host, settings.port, settings.workers)
    except OSError as error:
        reason = error.strerror or str(error)
        _fail(f"cannot listen on {settings.host}:{settings.port} ({reason}); choose another --port or --host")


def _settings(arguments: list[str] | None) -> Settings:
    parser = _Parser(prog="python -m service", description=__doc__)
    for name in _FLAGS:
        field = Settings.model_fields[name]
        parser.add_argument(f"--{name}", help=f"{field.description} (default: {field.default})")
    given = parser.parse_args(arguments)
    try:
        settings = read(**vars(given))
    except CandgenError as error:
        _fail(str(error))
    if not settings.store.is_dir():
        _fail(f"{settings.store}: no such folder; make a store with `python -m training pipeline`")
    return settings


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
