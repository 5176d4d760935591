"""PersonalTop: the user's own most frequent items; nothing is learned, the served history is ranked."""

from pydantic import Field

from training.config import FitConfig, Weighting


class Config(FitConfig):
    """How the history is weighed when it is served."""

    weighting: Weighting = "count"
    """Value of an item: 1, the number of requests that had it, or log2(1 + that number)."""
    half_life_days: float | None = Field(None, gt=0)
    """Age, relative to the user's last event, at which an item counts half; none: age is ignored."""
