"""Axes: values to places on the paper, and round numbers to mark."""

import math
from collections.abc import Sequence

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Scale:
    """Values to places, linear or logarithmic; a linear one ends at round numbers unless it is `tight`."""

    def __init__(
        self,
        values: Sequence[float],
        start: float,
        end: float,
        *,
        log: bool,
        zero: bool = False,
        tight: bool = False,
    ) -> None:
        low, high = min(values), max(values)
        self.log = log
        if log:
            floor = min((value for value in values if value > 0), default=1.0)
            low, high = max(low, floor) / 1.15, max(high, floor) * 1.15
            self.ticks = _log_ticks(low, high)
        else:
            low, high = min(low, 0.0) if zero else low, max(high, 0.0) if zero else high
            self.ticks = _linear_ticks(low, high)
            if tight and low < high:
                self.ticks = [tick for tick in self.ticks if low <= tick <= high]
            low, high = min(low, self.ticks[0]), max(high, self.ticks[-1])
        self._low = self._of(low)
        self._span = (self._of(high) - self._low) or 1.0
        self._start, self._length = start, end - start

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self._start + (self._of(value) - self._low) / self._span * self._length

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def number(value: float) -> str:
    """Write a value."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def mark(tick: float) -> str:
    """Write a round number, all of it."""
    return f"{tick:,.0f}" if abs(tick) >= 1000 else f"{tick:.6g}"


def _linear_ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers that enclose the range."""
    rough = (high - low or abs(high) or 1.0) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(step * size for step in _STEPS if step * size >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * at for at in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, … within the range; powers of ten alone where that is many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        found = [digit * 10.0**decade for decade in decades for digit in digits]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            break
    return found
