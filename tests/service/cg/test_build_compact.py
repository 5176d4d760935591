"""From an artifact on disk to a compact EASE: what does not fit together is refused."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from service.errors import ArtifactError
from service.registry import load
from service.store import Store
from tests import stores
from training.artifacts import compact_arrays, data_draft, model_draft
from training.compact import compress

N = stores.N_ITEMS


def release(root, **changed):
    """Publish and load, with other arrays."""
    interactions = stores.tiny_interactions()
    W = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    arrays = compact_arrays(compress(W, csr_array(np.ones((2, N), np.float32)), k=2, n_columns=N, seed=0))
    for name, change in changed.items():
        arrays[name] = change(arrays[name])
    fitted = {"data_fingerprint": "0" * 64, "fit_seconds": 0.1, "metrics": {}, "files": {}}
    draft = model_draft("ease", "ease", interactions, arrays, {"weighting": "count"}, **fitted)
    store = Store(root)
    store.publish([data_draft(interactions), draft])
    return load(store)


def test_as_it_was_fitted_it_is_served(tmp_path):
    assert release(tmp_path).cgs["ease"]._W.columns.tolist() == list(range(N))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("code_columns", lambda a: a[::-1].copy(), "not ascending"),
        ("code_columns", lambda a: np.zeros_like(a), "not ascending"),
        ("code_columns", lambda a: a + 1, "code_columns"),
        ("codes", lambda a: a[:-1], "codes and code_scales are"),
        ("codes", lambda a: a[:, :-1], "codes and code_scales are"),
        ("code_scales", lambda a: a[:-1], "codes and code_scales are"),
        ("code_scales", lambda a: -a, "none below 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, change, message):
    with pytest.raises(ArtifactError, match=message):
        release(tmp_path, **{name: change})
