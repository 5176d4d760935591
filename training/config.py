"""What every algorithm's configuration has in common."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Weighting = Literal["binary", "count", "log"]


class FitConfig(BaseModel):
    """Base of all algorithm configs: frozen, unknown keys refused; field docstrings are the CLI's help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of every random draw; the same seed on one thread gives the same model."""
    num_threads: int = Field(0, ge=0, le=1024)
    """Threads used for fitting; 0 means one for each core."""
    weighting: Weighting = "binary"
    """Value of an interaction: 1, the number of requests that had it, or log2(1 + that number)."""
    min_item_users: int = Field(1, ge=1)
    """Items that fewer users interacted with are left out of the model."""

    @property
    def threads(self) -> int:
        """Number of threads to use, the default resolved."""
        return self.num_threads or os.cpu_count() or 1
