"""A graph over item vectors for approximate maximum inner product search (HNSW, by hnswlib).

An item is a point: its vector and, unless all biases are zero, its bias against a 1 in the query.
Two spaces, of which `training.index_choice` measures the better for each embedding; `python -m loadtest.ann`
prints both for the embeddings of a release:

- `ip`: hnswlib's inner product, after subtracting the mean point, which changes no order. It is no
  metric, so the graph is a heuristic: in dense clusters it has parts that no search reaches, however long
  its list. But it is the better one where lengths differ much (ALS).
- `l2`: one more coordinate, sqrt(max length² − length²), makes the order by inner product one by
  distance (Bachrach et al. 2014, "Speeding up the Xbox recommender system"). Exact, and the better
  one where lengths are alike (BPR); else that coordinate drowns all others.
"""

import math
import struct
import tempfile
from pathlib import Path
from typing import Literal

import hnswlib
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.errors import ArtifactError

Floats = NDArray[np.float32]
Space = Literal["ip", "l2"]
GRAPH_FILE, SETTINGS_FILE = "index.bin", "index.json"
"""Names of the graph and of its settings among an artifact's files."""
_HEADER = struct.Struct("<6Q")
_PROBES = 256
_NONE = np.empty(0, np.uint64)
_UNIT = 2.0**-24
"""Relative error of one float32 operation."""


class Settings(BaseModel):
    """How a graph is built and searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    space: Space
    M: int = Field(ge=2, le=256)
    ef_construction: int = Field(ge=1, le=100_000)
    ef: int = Field(ge=1, le=1_000_000)


class HnswGraph:
    """Finds items of high score; may be asked from several threads at once."""

    def __init__(self, index: hnswlib.Index, settings: Settings, vectors: Floats, biases: Floats) -> None:
        """Take an index filled with the points of these vectors."""
        self._index = index
        self._dim, self._biased = vectors.shape[1], bool(biases.any())
        self._query = index.knn_query
        self._count, self._wide = int(index.element_count), int(index.dim)
        self._wider = self._wide > self._dim
        self.settings = settings
        self.rounding = _rounding(settings.space, self._dim, self._biased, _radius(vectors, biases))
        """(a, b, c): for a query of a length, a·length² + b·length + c bounds how far rounding (float32) may set the
        order of a search apart from that of exact scores: an item that comes before another is at most so much lower.
        """
        self.set_ef(settings.ef)

    def __len__(self) -> int:
        return self._count

    @property
    def ef(self) -> int:
        """Length of the list of best items that a search keeps; a search finds as many at no cost."""
        return self.settings.ef

    def set_ef(self, ef: int) -> None:
        """Change it; not while others search."""
        self.settings = self.settings.model_copy(update={"ef": ef})
        self._index.set_ef(ef)

    def search(self, vector: Floats, k: int) -> NDArray[np.uint64]:
        """Return about the best k items for a finite vector (dim,), none where hnswlib gives up."""
        query = vector
        if self._wider:
            query = np.zeros(self._wide, np.float32)
            query[: self._dim] = vector
            query[self._dim] = self._biased
        try:
            labels, _ = self._query(query, k if k < self._count else self._count, 1)
        except RuntimeError:  # "Cannot return the results in a contiguous 2D array": fewer than k reached
            return _NONE
        found: NDArray[np.uint64] = labels[0]
        return found

    def save(self, path: Path) -> None:
        """Write the graph, which holds a copy of the points, to a file."""
        self._index.save_index(str(path))


def build(vectors: Floats, biases: Floats, settings: Settings, *, seed: int, threads: int = 1) -> HnswGraph:
    """Insert items 0…n−1; on one thread the same input and seed give the same graph.

    vectors: (n, dim), n > 0; biases: (n,).
    """
    points = _with_bias(vectors, biases, bool(biases.any())) - _shift(vectors, biases, settings.space)
    if settings.space == "l2":
        squares = np.einsum("ij,ij->i", points, points)
        points = np.concatenate([points, np.sqrt(squares.max() - squares)[:, None]], axis=1)
    index = hnswlib.Index(settings.space, points.shape[1])
    index.init_index(len(points), M=settings.M, ef_construction=settings.ef_construction, random_seed=seed)
    index.add_items(points, num_threads=threads)
    return HnswGraph(index, settings, vectors, biases)


def files(graph: HnswGraph) -> dict[str, bytes]:
    """Return the graph and its settings as files of an artifact."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GRAPH_FILE
        graph.save(path)
        return {GRAPH_FILE: path.read_bytes(), SETTINGS_FILE: graph.settings.model_dump_json().encode()}


def load(path: Path, vectors: Floats, biases: Floats, settings: Settings) -> HnswGraph:
    """Load the graph of these vectors; holds the GIL, so call it where no request waits.

    hnswlib trusts what it reads: the caller has verified the file's checksum.

    Raises:
        ArtifactError: the graph is not one of these vectors.
    """
    n, biased = len(vectors), bool(biases.any())
    dim = vectors.shape[1] + biased + (settings.space == "l2")
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise ArtifactError(f"{path}: has {len(header)} bytes; this is not an hnsw graph")
    _, _, count, _, labels_at, points_at = _HEADER.unpack(header)
    if (count, labels_at - points_at) != (n, 4 * dim):
        seen = f"{count} items of {labels_at - points_at} bytes"
        raise ArtifactError(f"{path}: holds {seen}, wanted {n} of {4 * dim}; fit the model again")
    index = hnswlib.Index(settings.space, dim)
    try:
        index.load_index(str(path), max_elements=n)
        _check_points(path, index, vectors, biases, settings.space)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: not the graph of this model ({error}); fit it again") from error
    return HnswGraph(index, settings, vectors, biases)


def _check_points(path: Path, index: hnswlib.Index, vectors: Floats, biases: Floats, space: Space) -> None:
    """Compare points all over the graph with what the vectors say they should be."""
    probes = np.linspace(0, len(vectors) - 1, min(len(vectors), _PROBES)).astype(np.int64)
    wanted = _with_bias(vectors[probes], biases[probes], bool(biases.any())) - _shift(vectors, biases, space)
    stored = index.get_items(probes)[:, : wanted.shape[1]]
    if not np.allclose(stored, wanted, rtol=1e-4, atol=1e-4 * float(np.abs(wanted).max())):
        raise ArtifactError(f"{path}: its points are not the vectors of the model; fit it again")


def _rounding(space: Space, dim: int, biased: bool, radius: float) -> tuple[float, float, float]:
    """Return the coefficients; a query with biases has a 1 more, so it is longer by at most 1."""
    unit = 4 * (dim + 4) * _UNIT
    if space == "ip":
        return 0.0, unit * radius, unit * (radius * biased + 1)
    return unit, 2 * unit * (radius + biased), unit * (radius + biased) ** 2


def _with_bias(vectors: Floats, biases: Floats, biased: bool) -> Floats:
    return np.concatenate([vectors, biases[:, None]], axis=1) if biased else vectors


def _radius(vectors: Floats, biases: Floats) -> float:
    """Return a bound of the length of a point, whatever was subtracted from all."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return 2 * math.sqrt(float((squares + biases.astype(np.float64) ** 2).max()))


def _shift(vectors: Floats, biases: Floats, space: Space) -> Floats:
    """Return what is subtracted from every point."""
    if space == "l2":
        return np.zeros(1, np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    return (np.append(mean, biases.mean(dtype=np.float64)) if biases.any() else mean).astype(np.float32)
