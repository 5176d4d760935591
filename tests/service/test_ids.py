import numpy as np
import pytest

from service.errors import ArtifactError
from service.ids import IdIndex, id_type_of, parse_id, union


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", 0), ("42", 42), ("-1", -1), (7, 7), (str(2**64 - 1), 2**64 - 1), (str(-(2**63)), -(2**63))],
)
def test_integer_ids_in_plain_decimal_are_parsed(value, expected):
    assert parse_id(value, "int64") == expected
    assert parse_id(value, "uint64") == expected


NOT_INTEGER_IDS = (
    *("", "+1", "1_0", "1.0", "1e3", " 1", "1\n", "٣", "0x1", "-0", "007", "abc", "9" * 5000),
    *(2**64, -(2**63) - 1, 10**5000, 1.0, True, None, [1]),
)


@pytest.mark.parametrize("value", NOT_INTEGER_IDS, ids=range(len(NOT_INTEGER_IDS)))
def test_other_integer_ids_are_refused_with_a_short_message(value):
    with pytest.raises(ValueError, match=r"digits|integers from") as error:
        parse_id(value, "uint64")
    assert len(str(error.value)) < 250


def test_string_ids_are_unicode_of_1_to_256_bytes():
    assert parse_id("молоко", "string") == "молоко"
    assert parse_id("x" * 256, "string") == "x" * 256
    for bad in ("", "x" * 257, "ü" * 129, "a\0b", "\ud800", 5, None):
        with pytest.raises(ValueError, match=r"ids are|is not an id"):
            parse_id(bad, "string")


@pytest.mark.parametrize(
    "keys",
    [
        np.array([-5, 0, 3, 2**63 - 1], np.int64),
        np.array([0, 5, 2**63, 2**64 - 1], np.uint64),
        np.sort(np.array([text.encode() for text in ("a", "ab", "молоко", "z")])),
    ],
)
def test_every_id_finds_its_row_and_comes_back(keys):
    index = IdIndex(keys)
    rows = np.arange(len(keys), dtype=np.int32)
    ids = index.ids_of(rows)
    assert [index.row(key) for key in ids] == rows.tolist()
    assert index.rows(ids).tolist() == rows.tolist()
    assert index.rows_of(keys[::-1]).tolist() == rows.tolist()[::-1]


def test_ids_that_the_type_cannot_hold_are_unknown():
    assert IdIndex(np.array([1], np.int64)).row(2**64 - 1) == -1
    assert IdIndex(np.array([1], np.uint64)).row(-1) == -1
    strings = IdIndex(np.array([b"ab"]))
    assert [strings.row(key) for key in ("a", "abc", "b", "x" * 256)] == [-1] * 4
    assert IdIndex(np.array([], np.int64)).rows_of(np.array([1], np.int64)).tolist() == [-1]


def test_float_precision_is_never_lost():
    close = np.array([2**63, 2**63 + 1, 2**63 + 2], np.uint64)
    assert [IdIndex(close).row(2**63 + offset) for offset in (0, 1, 2, 3)] == [0, 1, 2, -1]


def test_union_is_sorted_unique_and_the_first_itself_where_it_has_all():
    a, b = np.array([1, 3], np.int64), np.array([1, 2, 9], np.int64)
    assert union([a, b]).tolist() == [1, 2, 3, 9]
    assert union([b, np.array([9], np.int64)]) is b


def test_dtypes_that_are_not_ids_are_refused():
    with pytest.raises(ArtifactError, match="int32"):
        id_type_of(np.array([1], np.int32))
