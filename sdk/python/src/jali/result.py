"""Answers: the recorded table, the view that was asked for, and the DataFrame made of both."""

from __future__ import annotations

import dataclasses
import decimal
import json
import math
from typing import Any, Union

import pandas as pd

from .audit import Report
from .errors import JaliError
from .v1 import query_pb2

Cell = Union[int, decimal.Decimal, str, None]


class ResultError(JaliError):
    """The recorded bytes are no table, or the view does not fit them. The receipt had verified: tell the custodian."""

    def __init__(self, message: str) -> None:
        super().__init__("read answer: " + message, code="RESULT", hint="use a client of the gateway's version, or tell the custodian")


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of an answer. ``recorded`` is its name on record, which tells what it holds; ``kind`` is count, sum, mean, var or sd for
    a measure, the type of a group, and "derived" for figures of table functions."""

    name: str
    recorded: str
    role: str  # "group" or "measure"
    kind: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Result:
    """An answer whose receipt verified.

    ``frame`` has the columns that were asked for and, after each measure ``x``, its 95 % interval as ``x_lo`` and ``x_hi``: the true
    figure lies inside with at least 95 % probability. Hidden figures are missing values. ``frame.attrs["jali"]`` tells price, receipt
    and notes, as plain values that survive to_json and to_parquet.

    ``rows`` and ``error95`` hold the same figures exactly, as recorded: counts beyond 2^53 and sums in cents are not floats there.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    error95: tuple[tuple[Cell, ...], ...]  # parallel to columns; None for groups and hidden figures
    hidden_groups: int
    protection: str  # "": differential privacy; else what a table without formal guarantee says of itself
    price_pu: int
    agreement_remaining_pu: int
    replayed: bool
    slots_off: bool
    notes: tuple[str, ...]
    receipt: Report
    raw: bytes  # the recorded table; keep it with receipt.raw: both verify offline, years later
    request_id: str
    # Set for a table function such as kaplan_meier. ``raw`` is then the histogram behind it, which the receipt covers; the derived figures in
    # rows and frame are the gateway's own arithmetic on it, which this package does not repeat. Go's sdk and `jali` do.
    analysis: dict[str, Any] | None = None

    @property
    def frame(self) -> pd.DataFrame:
        return _frame(self)

    def column(self, name: str) -> int:
        """Place of the named column; ValueError: none."""
        return [c.name for c in self.columns].index(name)


@dataclasses.dataclass(frozen=True)
class _Table:
    columns: tuple[Column, ...]
    rows: list[list[Cell]]
    error95: list[list[Cell]]
    hidden: int
    protection: str


def read_answer(answer: query_pb2.QueryResponse, receipt: Report, request_id: str) -> Result:
    """Decodes the recorded bytes of an answer whose receipt has verified, and applies the view. Figures are taken from these bytes, never
    from the typed copy beside them."""
    table = _decode(answer.result)
    analysis: dict[str, Any] | None = None
    if answer.analysis:
        columns, rows, error95, analysis = _derived(answer)
    else:
        columns, rows, error95 = _view(table, answer)
    return Result(
        columns=columns, rows=rows, error95=error95, hidden_groups=table.hidden, protection=table.protection, price_pu=answer.price_pu,
        agreement_remaining_pu=answer.budget.agreement_remaining_pu, replayed=answer.replayed, slots_off=answer.slots_off,
        notes=tuple(answer.notes), receipt=receipt, raw=answer.result, request_id=request_id, analysis=analysis,
    )  # fmt: skip



def _view(table: _Table, answer: query_pb2.QueryResponse) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...], tuple[tuple[Cell, ...], ...]]:
    """Picks columns and rows. It moves cells and cannot change one."""
    measures = [i for i, c in enumerate(table.columns) if c.role == "measure"]
    picked = [(v.name, v.index) for v in answer.view_columns]
    if not picked or any(not 0 <= at < len(table.columns) for _, at in picked):
        raise ResultError("the view picks a column that is not there, or none")
    shown = list(answer.view_rows)
    if len(set(shown)) != len(shown) or any(not 0 <= at < len(table.rows) for at in shown):
        raise ResultError("the view picks a row that is not there, or one twice")
    columns = tuple(dataclasses.replace(table.columns[at], name=name) for name, at in picked)
    rows = tuple(tuple(table.rows[r][at] for _, at in picked) for r in shown)
    error95 = tuple(tuple(table.error95[r][measures.index(at)] if at in measures else None for _, at in picked) for r in shown)
    return columns, rows, error95


def _derived(answer: query_pb2.QueryResponse) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...], tuple[tuple[Cell, ...], ...], dict[str, Any]]:
    """The gateway's table of a table function. Its intervals are columns of their own, so there is no half-width."""
    columns = tuple(Column(c.name, c.name, c.role, "derived" if c.role == "measure" else "text", c.unit) for c in answer.columns)
    rows: list[tuple[Cell, ...]] = []
    for row in answer.rows:
        cells: list[Cell] = []
        for value in row.values:
            which = value.WhichOneof("value")
            cell = getattr(value, which) if which else None
            cells.append(decimal.Decimal(repr(cell)) if isinstance(cell, float) else cell)
        if len(cells) != len(columns):
            raise ResultError("a derived row does not fit the columns")
        rows.append(tuple(cells))
    try:
        spec = json.loads(answer.analysis.decode())
    except ValueError:
        raise ResultError("the analysis is not JSON") from None
    if not isinstance(spec, dict):
        raise ResultError("the analysis is not an object")
    return columns, tuple(rows), tuple((None,) * len(columns) for _ in rows), spec


def _decode(recorded: bytes) -> _Table:
    """Parses canonical result JSON (docs/api.md, "Result"). Refuses what could be read in two ways and rows that do not fit; unknown keys
    are skipped: a later gateway may add some."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ValueError("a key is given twice")
        return out

    def no_constant(name: str) -> Any:
        raise ValueError(name + " is no figure")

    try:
        t = json.loads(recorded.decode(), object_pairs_hook=unique, parse_float=decimal.Decimal, parse_constant=no_constant)
        columns = tuple(Column(name="", recorded=c["name"], role=c["role"], kind=c["kind"], unit=c["unit"]) for c in t["columns"])
        table = _Table(columns, t["rows"], t["error95"], t["hidden_groups"], t.get("protection", ""))
        _check(table)
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ResultError("not a table") from None
    except ValueError as error:
        raise ResultError(str(error)) from None
    return table


def _check(t: _Table) -> None:
    measures = sum(c.role == "measure" for c in t.columns)
    if any(c.role not in ("group", "measure") for c in t.columns) or not all(isinstance(s, str) for c in t.columns for s in (c.recorded, c.kind, c.unit)):
        raise ValueError("a column is neither group nor measure")
    if len(t.rows) != len(t.error95) or type(t.hidden) is not int or not 0 <= t.hidden <= len(t.rows) or not isinstance(t.protection, str):
        raise ValueError("rows, error95 and hidden_groups do not fit each other")
    for row, half in zip(t.rows, t.error95):
        if len(row) != len(t.columns) or len(half) != measures:
            raise ValueError("a row does not fit the columns")
        for cell, column in zip(row, t.columns):
            if isinstance(cell, bool) or not isinstance(cell, (int, decimal.Decimal, type(None)) if column.role == "measure" else (int, decimal.Decimal, str, type(None))):
                raise ValueError("a cell is neither number, text nor null")
            if not isinstance(cell, (str, type(None))) and not _finite(cell):
                raise ValueError("a number is out of range")
        for h in half:
            if isinstance(h, bool) or not isinstance(h, (int, decimal.Decimal, type(None))) or h is not None and (h < 0 or not _finite(h)):
                raise ValueError("a half-width is not a number from 0 up")


def _finite(n: int | decimal.Decimal) -> bool:
    """A float can hold it, if not exactly."""
    try:
        return math.isfinite(float(n))
    except OverflowError:
        return False


def _frame(r: Result) -> pd.DataFrame:
    data: dict[str, Any] = {}

    def put(name: str, values: Any) -> None:
        while name in data:  # SELECT a AS x, b AS x_lo
            name += "_"
        data[name] = values

    for i, c in enumerate(r.columns):
        cells = [row[i] for row in r.rows]
        if c.role == "group":
            put(c.name, _group(c, cells))
            continue
        put(c.name, _measure(c, cells))
        if r.analysis is None:
            pairs = [(row[i], half[i]) for row, half in zip(r.rows, r.error95)]
            put(c.name + "_lo", _array([_minus(v, h) for v, h in pairs], dtype="Float64"))
            put(c.name + "_hi", _array([_plus(v, h) for v, h in pairs], dtype="Float64"))
    frame: pd.DataFrame = pd.DataFrame(data)
    frame.attrs["jali"] = {
        "agreement": r.receipt.agreement, "dataset": r.receipt.dataset, "purpose": r.receipt.purpose, "decision": r.receipt.intent.seq,
        "release": r.receipt.release.seq, "log": r.receipt.origin, "signed_by": list(r.receipt.signed_by), "price_pu": r.price_pu,
        "agreement_remaining_pu": r.agreement_remaining_pu, "replayed": r.replayed, "hidden_groups": r.hidden_groups,
        "protection": r.protection, "notes": list(r.notes), "units": {c.name: c.unit for c in r.columns if c.unit},
        "derived_by": "gateway" if r.analysis is not None else "",
    }  # fmt: skip
    return frame


def _array(values: list[Any], dtype: Any) -> Any:
    return pd.array(values, dtype=dtype)


def _group(c: Column, cells: list[Cell]) -> Any:
    if c.kind == "integer" and all(v is None or isinstance(v, int) and abs(v) < 2**63 for v in cells):
        return _array(cells, dtype="Int64")
    if c.kind == "decimal":
        return _array([None if v is None else float(v) for v in cells], dtype="Float64")
    return _array(cells, dtype="string") if all(v is None or isinstance(v, str) for v in cells) else pd.Series(cells, dtype=object)


def _measure(c: Column, cells: list[Cell]) -> Any:
    if c.kind in ("count", "sum") and all(v is None or isinstance(v, int) and abs(v) < 2**63 for v in cells):
        return _array(cells, dtype="Int64")
    return _array([None if v is None or isinstance(v, str) else float(v) for v in cells], dtype="Float64")


def _minus(value: Cell, half: Cell) -> float | None:
    return None if isinstance(value, (str, type(None))) or isinstance(half, (str, type(None))) else _outward(decimal.Decimal(value) - half, -math.inf)


def _plus(value: Cell, half: Cell) -> float | None:
    return None if isinstance(value, (str, type(None))) or isinstance(half, (str, type(None))) else _outward(decimal.Decimal(value) + half, math.inf)


def _outward(exact: decimal.Decimal, towards: float) -> float:
    """The nearest float that is not inside the interval: rounding must not narrow it."""
    near = float(exact)
    inside = near > exact if towards < 0 else near < exact
    return math.nextafter(near, towards) if inside else near
