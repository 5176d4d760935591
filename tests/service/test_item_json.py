import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cg.base import Candidates
from service.ids import IdIndex
from service.item_json import ItemJson

IDS = {
    "int64": np.array([-(2**63), -7, 0, 12, 2**63 - 1], np.int64),
    "uint64": np.array([0, 7, 10, 2**63, 2**64 - 1], np.uint64),
    "string": np.array(sorted(text.encode() for text in ["a,b", 'q"\\', "ü", "日本", "z" * 200])),
}
NAMES = ["ease", 'odd "name", ü', "als"]


def i4(values):
    return np.array(values, np.int32)


def naive_ids(ids, as_strings):
    values = [value.decode() if isinstance(value, bytes) else value for value in ids.tolist()]
    return [str(value) for value in values] if as_strings else values


@pytest.mark.parametrize("as_strings", [False, True])
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_items_are_written_as_orjson_would(ids, as_strings, data):
    places = st.integers(0, len(ids) - 1)
    own = data.draw(st.lists(places, max_size=12))
    fill = data.draw(st.lists(places, max_size=3))
    scores = np.array(
        data.draw(
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=len(own), max_size=len(own))
        ),
        np.float32,
    )
    cgs = data.draw(st.lists(st.integers(0, 2), min_size=len(own), max_size=len(own)))
    ranks = data.draw(st.lists(st.integers(1, 2**31 - 1), min_size=len(own), max_size=len(own)))
    names = naive_ids(ids, as_strings)
    wanted = [{"item_id": names[i], "score": s} for i, s in zip(own, scores, strict=True)]
    filled = [{"item_id": names[i], "score": None, "fill": True} for i in fill]
    item_json = ItemJson(IdIndex(ids), as_strings)
    found = item_json.items(Candidates(i4(own), scores), i4(fill))
    assert found == orjson.dumps(wanted + filled, option=orjson.OPT_SERIALIZE_NUMPY)

    for item, cg, rank in zip(wanted, cgs, ranks, strict=True):
        item |= {"cg": NAMES[cg], "cg_rank": rank}
    filled = [{**item, "cg": None, "cg_rank": None} for item in filled]
    found = item_json.blend(Candidates(i4(own), scores), NAMES, i4(cgs), i4(ranks), i4(fill))
    assert found == orjson.dumps(wanted + filled, option=orjson.OPT_SERIALIZE_NUMPY)


def test_a_release_without_items():
    empty = ItemJson(IdIndex(np.empty(0, np.int64)), as_strings=False)
    assert empty.items(Candidates(i4([]), np.empty(0, np.float32)), i4([])) == b"[]"
