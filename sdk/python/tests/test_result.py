"""Decoding of recorded tables, without a gateway: the texts are those of docs/api.md, "Result"."""

from __future__ import annotations

import decimal
import json
import math
import random

import pytest

import jali
from jali.result import read_answer
from jali.v1 import query_pb2

from .test_receipt import file, vector

TABLE = (
    '{"columns":[{"name":"sex","role":"group","kind":"text","unit":""},{"name":"rows","role":"measure","kind":"count","unit":""},'
    '{"name":"sum(claim.cost)","role":"measure","kind":"sum","unit":"EUR"}],"rows":[["F",                1234,  9007199254740993.25],["M",-3,0.10],'
    '[null,null,null]],"error95":[[  50,  0.05],[50,0.05],[null,null]],"hidden_groups":       1}'
)


def answer(text: str, columns: list[tuple[str, int]], rows: list[int]) -> jali.Result:
    receipt, keys = vector()
    view = [query_pb2.ViewColumn(name=name, index=index) for name, index in columns]
    response = query_pb2.QueryResponse(result=text.encode(), view_columns=view, view_rows=rows)
    return read_answer(response, jali.verify_receipt(file(receipt), None, keys), "r")


def test_view() -> None:
    a = answer(TABLE, [("cost", 2), ("s", 0), ("n", 1)], [1, 0, 2])
    assert [c.name for c in a.columns] == ["cost", "s", "n"] and [c.recorded for c in a.columns] == ["sum(claim.cost)", "sex", "rows"]
    assert a.rows[1] == (decimal.Decimal("9007199254740993.25"), "F", 1234), "exact, beyond 2^53"
    assert a.error95 == ((decimal.Decimal("0.05"), None, 50), (decimal.Decimal("0.05"), None, 50), (None, None, None))
    frame = a.frame
    assert list(frame.columns) == ["cost", "cost_lo", "cost_hi", "s", "n", "n_lo", "n_hi"]
    assert frame["n"].tolist()[:2] == [-3, 1234] and frame["n_lo"].tolist()[:2] == [-53.0, 1184.0] and bool(frame["n"].isna()[2])
    assert frame.attrs["jali"]["units"] == {"cost": "EUR"} and frame.attrs["jali"]["hidden_groups"] == 1


def test_rounding_never_narrows_an_interval() -> None:
    """0.1 and 0.05 are no floats: the ends lie outside the exact ones, by less than two units in the last place."""
    a = answer(TABLE, [("cost", 2)], [0, 1])
    for (value,), (half,), low, high in zip(a.rows, a.error95, a.frame["cost_lo"], a.frame["cost_hi"]):
        assert isinstance(value, decimal.Decimal) and isinstance(half, decimal.Decimal)
        assert decimal.Decimal(low) <= value - half < decimal.Decimal(math.nextafter(math.nextafter(low, math.inf), math.inf))
        assert decimal.Decimal(math.nextafter(math.nextafter(high, -math.inf), -math.inf)) < value + half <= decimal.Decimal(high)


def test_names_that_collide() -> None:
    a = answer(TABLE, [("n", 1), ("n_lo", 2), ("n", 0)], [0])
    assert len(set(a.frame.columns)) == len(a.frame.columns) == 7


@pytest.mark.parametrize(
    ("columns", "rows"), [([], [0]), ([("x", 3)], [0]), ([("x", -1)], [0]), ([("x", 0)], [3]), ([("x", 0)], [-1]), ([("x", 0)], [1, 1])]
)
def test_views_that_do_not_fit(columns: list[tuple[str, int]], rows: list[int]) -> None:
    with pytest.raises(jali.ResultError):
        answer(TABLE, columns, rows)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows":[[', '"rows":[],"rows":[['), ('"hidden_groups":       1', '"hidden_groups":4'), ('"hidden_groups":       1', '"hidden_groups":true'), ("1}", '1,"x":NaN}'),
        ('"measure","kind":"count"', '"figure","kind":"count"'), ("-3", '"-3"'), ("-3", "true"), ("-3", "[1]"), ("-3", "1e999"), ("-3", "1" * 400), ("[  50,", "[-50,"), ("[  50,", "[1e999,"),
        ('"F",', ""), (',"error95"', ',"error96"'), ("]]", "]"), ("1}", "1}{}"), ('"unit":"EUR"', '"unit":1'),
    ],
)  # fmt: skip
def test_tables_that_could_be_read_in_two_ways(old: str, new: str) -> None:
    assert old in TABLE
    with pytest.raises(jali.ResultError):
        answer(TABLE.replace(old, new, 1), [("n", 1)], [0])


def test_changed_tables_never_crash() -> None:
    """5,000 mutations from a fixed seed: a table, or a ResultError."""
    rng = random.Random(11)
    parts = ["{", "}", "[", "]", ",", ":", '"', "null", "1e9", "-", "0", "true", '"rows"', " ", "\\", "\x00"]
    read = 0
    for _ in range(5000):
        text = TABLE
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(parts) + text[at + rng.randrange(0, 3) :]
        try:
            json.dumps(answer(text, [("s", 0), ("n", 1), ("c", 2)], [0, 1, 2]).frame.attrs)
            read += 1
        except jali.ResultError:
            pass
    assert 0 < read < 5000
