"""Decrypted numbers as figures with their half-widths."""

from __future__ import annotations

import decimal
import math

from ..result import Cell, Column, ResultError
from ..v1 import cohort_pb2

Z95 = 1.959964  # two-sided 95 % normal quantile, rounded up

Rows = tuple[tuple[Cell, ...], ...]


def table_of_numbers(aggregate: str, group: str, parts: list[cohort_pb2.CohortAggregate], numbers: list[int]) -> tuple[tuple[Column, ...], Rows, Rows, int]:
    """One row with one measure, or one for each group; and how many figures noise has drowned."""
    want = 2 if aggregate == "mean" else 1
    if not parts or len(parts) % want or len(numbers) != len(parts) or not group and len(parts) != want:
        raise ResultError("the reply does not have the numbers that were asked for")
    last = parts[want - 1]
    measure = Column(aggregate, ("mean of " if aggregate == "mean" else "") + last.name, "measure", aggregate, last.unit)
    name = group.rpartition(".")[2]
    kind = next((p.group.kind for p in parts if p.group.kind), "text")
    columns = (Column(name, name, "group", kind), measure) if group else (measure,)
    rows: list[tuple[Cell, ...]] = []
    error95: list[tuple[Cell, ...]] = []
    hidden = 0
    for at in range(0, len(parts), want):
        mine, values = parts[at : at + want], numbers[at : at + want]
        last = mine[-1]
        value: Cell = fixed(values[0], last.decimals)
        half: Cell = fixed(last.half_width, last.decimals)
        if aggregate == "mean":
            value, half = mean(mine[0], mine[1], values[0], values[1])
            hidden += value is None
        if not group:
            rows, error95 = [*rows, (value,)], [*error95, (half,)]
            continue
        if any(p.group != last.group for p in mine):
            raise ResultError("the reply does not have its numbers group by group")
        rows, error95 = [*rows, (_label(last.group), value)], [*error95, (None, half)]
    return columns, tuple(rows), tuple(error95), hidden


def mean(count: cohort_pb2.CohortAggregate, total: cohort_pb2.CohortAggregate, n: int, s: int) -> tuple[Cell, Cell]:
    """center + sum/count with Fieller's interval (Fieller 1954), as for averages in SQL; None where the count is below four of its standard
    deviations, where a ratio says nothing."""
    sn, ss = (count.half_width + 0.5) / Z95, (total.half_width + 0.5) / Z95
    if n < 1 or n < 4 * sn:
        return None, None
    scale = 10.0**total.decimals
    ratio = s / n
    g = (Z95 * sn / n) ** 2
    h = (abs(ratio) * g + Z95 / n * math.sqrt(ss * ss * (1 - g) + (ratio * sn) ** 2)) / (1 - g)
    return decimal.Decimal(repr((total.center + ratio) / scale)), decimal.Decimal(repr(h / scale))


def fixed(n: int, decimals: int) -> Cell:
    """n / 10^decimals, exactly."""
    return decimal.Decimal(n).scaleb(-decimals) if decimals else n


def _label(g: cohort_pb2.GroupLabel) -> Cell:
    if not g.kind:
        return None
    if g.kind == "integer":
        return int(g.text)
    return decimal.Decimal(g.text) if g.kind == "decimal" else g.text
