"""A MixiGen and a release belong together: what is not published, what is not loaded."""

import dataclasses

import numpy as np
import pytest

from service import registry
from service.errors import StoreError
from tests.mixes import TRAINED, mix_store, mixigen_draft, random_trees, schema
from tests.stores import tiny_store


def test_a_release_that_lacks_a_generator_of_the_mixigen_is_not_published(tmp_path):
    store = tiny_store(tmp_path)
    before = store.current()
    draft = mixigen_draft(of=schema(("ease", "als")))
    with pytest.raises(StoreError, match="trained on ease, als, but the release lacks als"):
        store.publish([draft])
    assert store.current() == before


def test_nor_is_it_loaded(tmp_path):
    damaged = mix_store(tmp_path)
    manifest = damaged.release()
    artifacts = {name: damaged.artifact(name, version) for name, version in manifest.artifacts.items()}
    del artifacts["slim"]
    with pytest.raises(StoreError, match="lacks slim"):
        registry.build(manifest, artifacts)


def test_the_name_mixigen_is_reserved(tmp_path):
    store = tiny_store(tmp_path)
    for change in ({"name": "ease2"}, {"algorithm": "ease"}):
        with pytest.raises(StoreError, match="'mixigen' is that of the blender alone"):
            store.publish([dataclasses.replace(mixigen_draft(), **change)])
    with pytest.raises(StoreError, match="no CG 'mixigen' to be its default"):
        store.publish([mixigen_draft()], default_cg="mixigen")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrays": {}}, "lacks the array 'split_feature'"),
        ({"config": {"schema": {"cgs": ["ease"]}}}, "config: schema.acceptance: Field required"),
    ],
)
def test_a_damaged_mixigen_is_refused(tmp_path, change, message):
    store = tiny_store(tmp_path)
    store.publish([dataclasses.replace(mixigen_draft(), **change)])
    with pytest.raises(StoreError, match=message):
        registry.load(store)


def test_trees_over_other_columns_are_refused(tmp_path):
    trees = random_trees(schema((*TRAINED, "als", "bpr")), np.random.default_rng(0))
    store = mix_store(tmp_path, trees=trees)
    with pytest.raises(StoreError, match="asks for column 20 of 19"):
        registry.load(store)


def test_later_fits_keep_the_mixigen(tmp_path):
    assert "mixigen" in mix_store(tmp_path).publish().artifacts
