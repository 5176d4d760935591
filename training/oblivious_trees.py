"""From catboost's JSON export to the plain arrays that `service.mix_trees` evaluates."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.mix_model import MAX_DEPTH
from service.mix_trees import NO_SPLIT, Trees


def from_catboost_json(model: Mapping[str, Any]) -> Trees:
    """Convert what `save_model(format="json")` wrote; numeric features only.

    A shallower tree is padded with levels whose bit is never set.

    Raises:
        ValueError: the model has other features, trees of another kind, or takes NaN for the largest value.
    """
    columns = _columns(model)
    if "oblivious_trees" not in model:
        raise ValueError("the model has no oblivious trees; train it with grow_policy=SymmetricTree")
    trees = model["oblivious_trees"]
    depth = max((len(tree["splits"] or ()) for tree in trees), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"the trees are {depth} levels deep; at most {MAX_DEPTH} can be served")
    split_feature = np.full((len(trees), depth), NO_SPLIT, np.int32)
    split_border = np.zeros((len(trees), depth), np.float32)
    leaf_values = np.zeros((len(trees), 1 << depth))
    for row, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"] or ()):
            split_feature[row, level] = _column(split, columns)
            split_border[row, level] = split["border"]
        leaf_values[row, : len(tree["leaf_values"])] = tree["leaf_values"]
    scale, biases = model["scale_and_bias"]
    if len(biases) != 1:
        raise ValueError(f"the model gives {len(biases)} values for each row; wanted one")
    return Trees(split_feature, split_border, leaf_values, np.array([scale, biases[0]], np.float64))


def _columns(model: Mapping[str, Any]) -> dict[int, int]:
    """Return the column of every numeric feature."""
    features = model["features_info"]
    others = [kind for kind in features if kind.endswith("_features") and kind != "float_features" and features[kind]]
    if others:
        raise ValueError(f"the model has {', '.join(others)}; give it numeric columns only")
    for feature in features["float_features"]:
        if feature["nan_value_treatment"] == "AsTrue":
            raise ValueError("the model takes NaN for the largest value; train it with nan_mode=Min")
    return {feature["feature_index"]: feature["flat_feature_index"] for feature in features["float_features"]}


def _column(split: Mapping[str, Any], columns: Mapping[int, int]) -> int:
    if split["split_type"] != "FloatFeature":
        raise ValueError(f"the model splits by {split['split_type']}; give it numeric columns only")
    return columns[split["float_feature_index"]]
