import pytest

from training.algorithms import ALGORITHMS, make_config
from training.config import FitConfig
from training.errors import DataError


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_common_keys_are_everywhere(name):
    config = make_config(name, {"seed": "7", "num_threads": "2", "weighting": "log", "min_item_users": "3"})
    assert isinstance(config, FitConfig)
    assert (config.seed, config.threads, config.weighting, config.min_item_users) == (7, 2, "log", 3)


REFERENCE_DEFAULTS = {
    "ease": {"lambd": 0.1, "sparse_inv": False},
    "slim": {"alpha": 0.1, "l1_ratio": 0.01, "num_processes": None},
    "bpr": {"dim": 128, "max_iter": 100, "learning_rate": 0.01, "lambd": 0.01, "negatives": "popularity"},
    "adaptive_bpr": {
        **{"dim": 128, "max_iter": 100, "learning_rate": 0.01, "lambd": 0.01},
        **{"weight_temperature": 0.5, "num_epochs_without_updates": 10},
    },
    "als": {"max_iter": 100},
}


@pytest.mark.parametrize("name", REFERENCE_DEFAULTS)
def test_defaults_are_those_of_the_reference(name):
    config = make_config(name, {}).model_dump()
    assert {key: config[key] for key in REFERENCE_DEFAULTS[name]} == REFERENCE_DEFAULTS[name]


def test_none_on_the_command_line_is_no_value():
    assert make_config("ease", {"serve_top_k": "none"}).serve_top_k is None
    assert make_config("ease", {"serve_top_k": "5"}).serve_top_k == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [({"lambd": "x"}, "lambd = 'x'"), ({"lambd": "nan"}, "lambd"), ({"nope": "1"}, "no key 'nope'; valid: seed")],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(DataError, match=message):
        make_config("ease", values)
    with pytest.raises(DataError, match="no algorithm 'magic'"):
        make_config("magic", {})
