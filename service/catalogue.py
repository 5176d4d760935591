"""What is known of the items besides their ids: category, name, how many users had them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.array_types import Bools, Bytes, Floats, Ints, Longs


@dataclass(frozen=True)
class Texts:
    """A column of texts as one mapped array of UTF-8 bytes and its offsets."""

    offsets: Longs
    content: Bytes

    def __getitem__(self, row: int) -> str | None:
        """Return one text; an empty one means that there is none."""
        raw = self.content[self.offsets[row] : self.offsets[row + 1]].tobytes()
        return raw.decode() if raw else None

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> "Texts":
        """Pack texts."""
        raw = [(text or "").encode() for text in texts]
        offsets = np.zeros(len(raw) + 1, np.int64)
        np.cumsum([len(part) for part in raw], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(raw), np.uint8))


class Catalogue:
    """Facts about the items of the release's index."""

    def __init__(self, categories: Ints, category_names: Sequence[str], users_share: Floats) -> None:
        """Take per item its category (a row of `category_names`, −1: none) and the share of users."""
        self.categories = categories
        self.category_names = list(category_names)
        self.users_share = users_share
        self._codes = {name: code for code, name in enumerate(self.category_names)}

    def in_categories(self, names: Sequence[str]) -> Bools:
        """Return the mask (n_items,) of the items in any of the categories; unknown ones have none."""
        codes = [self._codes[name] for name in names if name in self._codes]
        return np.isin(self.categories, codes)
