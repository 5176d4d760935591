"""Features by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from service.cg.base import Filters, ItemMap, Query
from service.cg.popular import PersonalTop, Popular
from service.history import EMPTY, History
from service.mix_features import (
    REQUEST_FEATURES,
    Context,
    MixSchema,
    feature_names,
    list_lengths,
    request_features,
    rows,
)
from tests.mixes import FixedCG

DAY = 86_400
SCHEMA = MixSchema(
    cgs=("a", "b"),
    cities=("Berlin", "Bonn"),
    stores=("7",),
    timezone="Europe/Berlin",
    acceptance={"a": 0.25, "b": 0.5},
    max_position=3,
)
# Saturday 2021-05-01 00:30 in Berlin, Friday 22:30 UTC
NOW = 1_619_821_800
HISTORY = History(np.int32([1, 4, 6]), np.int32([1, 3, 2]), np.int64([NOW - 5 * DAY, NOW - 2 * DAY, NOW - 4 * DAY]))


def named(vector):
    return dict(zip(REQUEST_FEATURES, vector.tolist(), strict=True))


def test_a_user_with_a_history():
    found = request_features(HISTORY, Context(NOW, "Bonn", "7"), SCHEMA)
    assert found.dtype == np.float32
    assert named(found) == {
        "distinct_items": 3,
        "requests": 6,
        "repeat_share": pytest.approx(2 / 3),
        "max_count": 3,
        "mean_count": 2,
        "days_since_last": 2,
        "span_days": 3,
        "has_history": 1,
        "hour": 0,
        "weekday": 5,
        "city": 1,
        "store": 0,
        "exclude_seen": 0,
    }


def test_nobody_nowhere():
    found = named(request_features(EMPTY, Context(NOW), SCHEMA))
    assert (found["hour"], found["weekday"], found["city"], found["store"]) == (0, 5, -1, -1)
    assert sum(found[name] for name in REQUEST_FEATURES[:8]) == 0
    assert named(request_features(EMPTY, Context(NOW, "Atlantis", "8"), SCHEMA))["city"] == -1


def test_a_history_of_the_future_is_of_now():
    assert named(request_features(HISTORY, Context(NOW - 30 * DAY), SCHEMA))["days_since_last"] == 0


def test_rows_are_generators_by_positions_in_the_order_of_the_names():
    request = request_features(HISTORY, Context(NOW), SCHEMA)
    found = rows(request, SCHEMA, np.float32([100, 3]))
    names = feature_names(SCHEMA)
    assert names[len(REQUEST_FEATURES) :] == ("cg=a", "cg=b", "acceptance", "list_length", "position")
    assert found.shape == (6, len(names))
    assert (found[:, : len(REQUEST_FEATURES)] == request).all()
    assert found[:, len(REQUEST_FEATURES) :].tolist() == [
        *([1, 0, 0.25, 100, position] for position in (1, 2, 3)),
        *([0, 1, 0.5, 3, position] for position in (1, 2, 3)),
    ]


def test_list_lengths():
    items = ItemMap(None, 300)
    personal = PersonalTop("p", items, "count", None)
    popular = Popular("q", np.arange(40, dtype=np.int32), np.ones(300, np.float32))
    cgs = [FixedCG("a", []), personal, popular]
    assert list_lengths(cgs, Query()).tolist() == [0, 0, 40]
    assert list_lengths(cgs, Query(history=HISTORY)).tolist() == [100, 3, 40]
    excluded = Query(history=HISTORY, filters=Filters(HISTORY.items))
    assert list_lengths(cgs, excluded).tolist() == [100, 0, 37]
    one = Query(history=HISTORY, filters=Filters(np.int32([4])))
    assert list_lengths(cgs, one).tolist() == [100, 2, 39]
    allowed = np.zeros(300, bool)
    allowed[[6, 8]] = True
    assert list_lengths(cgs, Query(history=HISTORY, filters=Filters(allowed=allowed))).tolist() == [2, 1, 2]


class Knows(FixedCG):
    def knows(self, user):
        return user == 5


def test_list_length_of_a_stored_vector():
    cgs = [Knows("als", [])]
    assert list_lengths(cgs, Query(user=5)).tolist() == [100]
    assert list_lengths(cgs, Query(user=6)).tolist() == [0]
    assert list_lengths(cgs, Query(user=5, history_given=True)).tolist() == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timezone": "Mars/Base"}, "IANA name"),
        ({"cgs": ("a", "a")}, "distinct cgs"),
        ({"acceptance": {"a": 1.0}}, "acceptance for each"),
        ({"cgs": ()}, "at least 1"),
    ],
)
def test_schemas_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        MixSchema(**{**SCHEMA.model_dump(), **change})


def test_a_schema_survives_a_manifest():
    assert MixSchema.model_validate(SCHEMA.model_dump(mode="json")) == SCHEMA
