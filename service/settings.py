"""Everything that can be set from outside: environment variables with the prefix CANDGEN_."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import CandgenError
from service.split import Split

PREFIX = "CANDGEN_"
REDIS_SCHEMES = r"(rediss?(\+cluster)?|unix)://."
HISTORIES = ("snapshot", "memory", "redis")
SECRETS = ("api_key", "redis_url")


class SettingsError(CandgenError):
    """A setting is not valid; one line."""


class Settings(BaseSettings):
    """The settings of one worker; read once at start. An empty variable equals an absent one."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    store: Path = Path("models_store")
    """Folder with the artifacts and releases to serve."""
    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on; 0.0.0.0 for all of the machine's."""
    port: int = Field(8000, ge=0, le=65535)
    """TCP port to listen on; 0 takes a free one."""
    workers: int = Field(1, ge=1, le=256)
    """Worker processes; they share the mapped arrays of a release."""
    history: Literal["snapshot", "memory", "redis"] = "snapshot"
    """Where users' histories come from; snapshot: the release itself; the others add live events to it."""
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """With history redis: which; redis+cluster://HOST:PORT for a cluster."""
    history_budget_ms: float = Field(20, gt=0, le=60_000, allow_inf_nan=False)
    """Milliseconds a request may wait for live events; then it goes on with the release's history."""
    api_key: SecretStr = SecretStr("")
    """Key of the admin routes and of writing history (X-API-Key); empty: no admin routes, history open to all."""
    split: str = ""
    """Shares of users by release, as in releaseA=95,releaseB=5; empty: all get the current release."""
    queue_budget_ms: float = Field(100, gt=0, le=60_000, allow_inf_nan=False)
    """Milliseconds of work that may wait in a worker; a request that would wait longer gets a 503 at once."""
    drain_seconds: float = Field(2, ge=0, le=300, allow_inf_nan=False)
    """Seconds between SIGTERM and the end in which a worker answers, but is not ready any more."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written to standard error; json: one object a line."""
    mix_log: Path | None = None
    """File to append sampled mixes to, as JSON lines that training can learn from; each worker has its own suffix."""
    mix_log_rate: float = Field(0.01, ge=0, le=1, allow_inf_nan=False)
    """Share of mixes that are logged."""
    request_budget_ms: float = Field(200, gt=0, le=60_000, allow_inf_nan=False)
    """Milliseconds a mix may take; a generator that would take more than half of what is left is given up."""

    playground: bool = True
    """Whether `/` is the playground, which shows users' histories to whoever reaches it; false: `/` leads to /docs."""

    @field_validator("history", mode="before")
    @classmethod
    def _known_history(cls, value: object) -> object:
        if value not in HISTORIES:
            raise ValueError(f"no history provider of that name; valid: {', '.join(HISTORIES)}")
        return value

    @field_validator("history")
    @classmethod
    def _shared_by_workers(cls, value: str, info: ValidationInfo) -> str:
        if value == "memory" and info.data.get("workers", 1) > 1:
            raise ValueError(
                "keeps events in one process, but there would be more; set CANDGEN_WORKERS=1 or take redis"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr) -> SecretStr:
        if not re.match(REDIS_SCHEMES, value.get_secret_value()):
            raise ValueError("wanted redis://, rediss:// or unix://, or redis+cluster://, and where it is")
        return value

    @field_validator("split")
    @classmethod
    def _readable_split(cls, value: str) -> str:
        Split(value)
        return value


def read(**given: Any) -> Settings:
    """Read the environment; what is given here (and not None) goes before it.

    Raises:
        SettingsError: names every setting at fault, what was seen and what is wanted.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("; ".join(_message(problem) for problem in error.errors())) from None


def _message(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    text = problem["msg"].removeprefix("Value error, ")
    seen = "not shown" if name in SECRETS else repr(str(problem["input"])[:60])
    return f"{name} is {seen}: {text} (setting {PREFIX}{name.upper()})"
