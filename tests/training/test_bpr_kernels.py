import numpy as np
import pytest

from tests import naive
from training.bpr_kernels import biased_step, optimizer_step

SMALL = (
    [[-0.004, -0.01, -0.012, 0.038, 0.054], [0.012, 0.038, 0.0, -0.06, 0.015]],
    [[0.034, 0.047, 0.061, -0.043, -0.017], [-0.005, 0.065, -0.086, 0.055, -0.013]],
    (0.1, 0.1),
    [[-0.00200446, -0.01080256, -0.00450913, 0.03270608, 0.05325943], [0.012, 0.038, 0.0, -0.06, 0.015]],
    [
        [0.03345943, 0.04602858, 0.0597883, -0.04066461, -0.01412233],
        [-0.00474943, 0.06485142, -0.0845383, 0.0525446, -0.01557767],
    ],
)
LARGE = (
    [[1, 0, 0, 0, 0], [1, 1, -1, -1, 0]],
    [[0, 1, 0, -1, 1], [-1, 0, 1, 0, -1]],
    (1, 0),
    [[1.2689414, 0.26894143, -0.26894143, -0.26894143, 0.53788286], [1, 1, -1, -1, 0]],
    [[0.26894143, 1, 0, -1, 1], [-1.2689414, 0, 1, 0, -1]],
)


def random_model(dim=7):
    rng = np.random.default_rng(dim)
    return [rng.normal(size=shape).astype(np.float32) for shape in ((3, dim), (4, dim), (4,))]


@pytest.mark.parametrize(("users", "items", "rates", "new_users", "new_items"), [SMALL, LARGE])
def test_step_of_the_reference(users, items, rates, new_users, new_items):
    P, Q = np.array(users, np.float32), np.array(items, np.float32)
    optimizer_step(P, Q, 0, 0, 1, *rates)
    np.testing.assert_allclose(P, new_users, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(Q, new_items, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("triplet", [(3, 0, 1), (0, 4, 1), (0, 0, 4)])
def test_step_refuses_an_index_out_of_range(triplet):
    P, Q, _ = random_model()
    with pytest.raises(IndexError):
        optimizer_step(P, Q, *triplet, 0.1, 0.1)


@pytest.mark.parametrize("dim", [1, 7, 16, 33])
def test_biased_step_equals_the_naive_one(dim):
    P, Q, b = random_model(dim)
    expected = naive.bpr_step(P, Q, b, 2, 1, 3, 0.1, 0.05, 0.02)
    biased_step(P, Q, b, 2, 1, 3, np.float32(0.1), np.float32(0.05), np.float32(0.02))
    for got, wanted in zip((P, Q, b), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)


def test_naive_step_descends_along_finite_differences():
    u, i, j, lambd, bias_lambd = 0, 2, 1, 0.3, 0.2
    model = [array.astype(np.float64) for array in random_model()]

    def loss(P, Q, b):
        margin = P[u] @ (Q[i] - Q[j]) + b[i] - b[j]
        squares = P[u] @ P[u] + Q[i] @ Q[i] + Q[j] @ Q[j]
        return np.log1p(np.exp(-margin)) + lambd / 2 * squares + bias_lambd / 2 * (b[i] ** 2 + b[j] ** 2)

    stepped = naive.bpr_step(*model, u, i, j, 1.0, lambd, bias_lambd)
    for which, array in enumerate(model):
        for place in np.ndindex(array.shape):
            ends = []
            for shift in (1e-6, -1e-6):
                moved = [other.copy() for other in model]
                moved[which][place] += shift
                ends.append(loss(*moved))
            slope = (ends[0] - ends[1]) / 2e-6
            assert stepped[which][place] - array[place] == pytest.approx(-slope, abs=1e-7)


@pytest.mark.parametrize("distance", [500.0, -500.0])
def test_step_saturates_without_overflow(distance):
    P, Q, b = np.ones((1, 1), np.float32), np.array([[distance], [0]], np.float32), np.zeros(2, np.float32)
    biased_step(P, Q, b, 0, 0, 1, np.float32(0.1), np.float32(0), np.float32(0))
    pull = 0.0 if distance > 0 else 0.1
    np.testing.assert_allclose(b, [pull, -pull], atol=1e-7)
