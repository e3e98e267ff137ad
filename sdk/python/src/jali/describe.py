"""Quotes, budgets and the catalogue as plain values."""

from __future__ import annotations

import dataclasses
import datetime

import pandas as pd

from .errors import BudgetExhausted, PolicyDenied, Reason
from .v1 import budget_pb2, catalog_pb2, query_pb2


@dataclasses.dataclass(frozen=True)
class OutputError:
    """Half-width at 95 % of an output. Of means and the like it depends on how many persons are in the group: ``sizes`` lists it for some."""

    name: str
    value: float
    sizes: dict[int, float]


@dataclasses.dataclass(frozen=True)
class Quote:
    """Price and accuracy of a question before anything is spent. Free, uses no data, binds until ``expires_at``, reserves nothing."""

    allowed: bool
    reasons: tuple[Reason, ...]
    price_pu: int
    error95: tuple[OutputError, ...]
    id: str
    expires_at: datetime.datetime | None
    agreement_remaining_pu: int
    population: str  # "sufficient" or "insufficient"
    fits: str  # smallest accuracy that the budget can pay for, when this one is too dear
    warnings: tuple[str, ...]
    detectable: tuple[OutputError, ...]
    hiding: dict[int, float]  # chance that a group of n is hidden by its noise
    cells: int
    columns: tuple[str, ...]

    @property
    def lines(self) -> pd.DataFrame:
        """One row per output with its half-width."""
        frame: pd.DataFrame = pd.DataFrame({"output": [e.name for e in self.error95], "half_width": [e.value for e in self.error95]})
        return frame

    def require(self) -> Quote:
        """This quote, if it is allowed; else BudgetExhausted when only budgets stand in the way, or PolicyDenied."""
        if self.allowed:
            return self
        hint = next((r.hint for r in self.reasons if r.hint), "")
        budgets = [r.code.upper() for r in self.reasons if r.code.upper().startswith("BUDGET")]
        if self.reasons and len(budgets) == len(self.reasons):
            raise BudgetExhausted("", code=budgets[-1], hint=hint or (f"an accuracy of {self.fits} would fit" if self.fits else ""), reasons=self.reasons)
        raise PolicyDenied("", hint=hint, reasons=self.reasons)


@dataclasses.dataclass(frozen=True)
class Ledger:
    """An agreement's budget on one population. 1 PU is 1e-5 of rho (zero-concentrated differential privacy)."""

    population: str
    cap_pu: int
    spent_pu: int
    remaining_pu: int
    spent_epsilon: float
    cap_epsilon: float
    population_state: str


@dataclasses.dataclass(frozen=True)
class Budget:
    """What an agreement has left and what spent it."""

    agreement: str
    ledgers: tuple[Ledger, ...]
    charges: pd.DataFrame  # newest first, at most 100: seq, time, population, price_pu, outcome, query

    def __getitem__(self, population: str) -> Ledger:
        return next(ledger for ledger in self.ledgers if ledger.population == population)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What exists and what may be asked of it. ``columns`` has one row per column; it holds no data."""

    id: str
    title: str
    description: str
    population: str
    mode: str
    version: str
    tables: tuple[str, ...]
    columns: pd.DataFrame


def quote_of(m: query_pb2.QuoteResponse) -> Quote:
    def outputs(found: list[query_pb2.OutputError]) -> tuple[OutputError, ...]:
        return tuple(OutputError(e.name, e.value, {s.n: s.value for s in e.sizes}) for e in found)

    return Quote(
        allowed=m.allowed, reasons=tuple(Reason(r.code, r.text, r.hint) for r in m.reasons), price_pu=m.price_pu, error95=outputs(list(m.error95)),
        id=m.quote_id, expires_at=datetime.datetime.fromtimestamp(m.expires_at, datetime.timezone.utc) if m.expires_at else None,
        agreement_remaining_pu=m.budget.agreement_remaining_pu, population=m.population, fits=m.fits, warnings=tuple(m.warnings),
        detectable=outputs(list(m.detectable)), hiding={s.n: s.value for s in m.hiding}, cells=m.plan.cells, columns=tuple(m.plan.columns),
    )  # fmt: skip


def budget_of(m: budget_pb2.GetBudgetResponse) -> Budget:
    ledgers = tuple(
        Ledger(entry.population, entry.cap_pu, entry.spent_pu, entry.remaining_pu, entry.spent_epsilon, entry.cap_epsilon, entry.population_state)
        for entry in m.ledgers
    )
    charges = pd.DataFrame(
        {
            "seq": pd.array([c.seq for c in m.charges], dtype="Int64"),
            "time": pd.to_datetime([c.time for c in m.charges], unit="us", utc=True),
            "population": pd.array([c.population for c in m.charges], dtype="string"),
            "price_pu": pd.array([c.price_pu for c in m.charges], dtype="Int64"),
            "outcome": pd.array([c.outcome for c in m.charges], dtype="string"),
            "query": pd.array([c.query for c in m.charges], dtype="string"),
        }
    )
    return Budget(m.agreement, ledgers, charges)


def dataset_of(m: catalog_pb2.Dataset) -> Dataset:
    rows = [
        {
            "table": t.name, "column": c.name, "type": c.type, "unit": c.unit, "roles": ",".join(c.roles), "nullable": c.nullable,
            "sensitivity": c.sensitivity, "codes": c.codes, "lo": c.lo, "hi": c.hi, "bands": ",".join(b.name for b in c.bands), "description": c.description,
        }
        for t in m.tables
        for c in t.columns
    ]  # fmt: skip
    return Dataset(m.id, m.title, m.description, m.population, m.mode, m.version, tuple(t.name for t in m.tables), pd.DataFrame(rows))
