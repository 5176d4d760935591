"""What one run of a client found."""

from dataclasses import dataclass


class LoadError(Exception):
    """A run that must not be counted: requests failed."""


@dataclass(frozen=True)
class Result:
    """Answers in a time, and how long they took."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int = 0

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds

    def checked(self) -> "Result":
        """Return the result if no request failed.

        Raises:
            LoadError: connections broke, or answers were not 200.
        """
        if self.failures or not self.requests:
            raise LoadError(f"{self.failures} of {self.requests} requests failed; look at the service's log")
        return self
