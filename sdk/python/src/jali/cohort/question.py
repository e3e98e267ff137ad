"""What is asked, and the digests that bind it to public lists (docs/encrypted-queries.md)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import QueryError
from ..profile import Profile

LOG_SLOTS = {"ecq1-a": 13, "ecq1-aplus": 13, "ecq1-b": 14}  # parameter sets of docs/encrypted-queries.md


@dataclasses.dataclass(frozen=True)
class CohortQuery:
    """An encrypted question. ``codes``, ``tuples`` and ``subjects`` are the secret; everything else is public.

    ``by`` is "table.column", a column with public codes or a declared band; two with a comma select pairs, named in ``tuples``. With ``study`` it is
    the table in which the participants have rows, ``population`` your copy of the registered list in its order, ``subjects`` who counts.
    ``size`` declares how many are selected; ``min_size`` and ``max_size`` bound a number that stays hidden (max_size - min_size + 1 must be a
    power of two). ``auditor`` is the public key of the auditor to whom the agreement opens questions, as the auditor gave it to you.
    """

    by: str
    error: float | str
    codes: Sequence[str] = ()
    tuples: Sequence[Sequence[str]] = ()
    study: str = ""
    population: Sequence[str] = ()
    subjects: Sequence[str] = ()
    group: str = ""
    where: str = ""
    measure: str = ""
    per_person: int = 0
    size: int = 0
    min_size: int = 0
    max_size: int = 0
    auditor: bytes = b""
    agreement: str = ""
    purpose: str = ""
    dataset: str = ""

    def filled(self, profile: Profile) -> CohortQuery:
        """This question with the profile's agreement, purpose and data set where it names none."""
        q = dataclasses.replace(
            self, agreement=self.agreement or profile.agreement, purpose=self.purpose or profile.purpose, dataset=self.dataset or profile.dataset
        )
        for what in ("agreement", "purpose", "by"):
            if not getattr(q, what):
                raise QueryError(f"no {what} given", hint=f"name it: {what}=...")
        return q

    def check(self, aggregate: str) -> None:
        if aggregate not in ("count", "sum", "mean"):
            raise QueryError("the aggregate is not count, sum or mean", hint='ask for "count", "sum" or "mean"')
        if (aggregate == "count") != (self.measure == ""):
            raise QueryError("sum and mean have a measure, count has none", hint="name the column to add up: measure=...")
        if self.size and (self.min_size or self.max_size) or min(self.size, self.min_size, self.max_size, self.per_person) < 0:
            raise QueryError("the size rule cannot be read", hint="declare either the exact size, or a smallest and a largest")
        if self.study:
            if self.codes or self.tuples or self.group or self.per_person or not self.population or not self.subjects:
                raise QueryError("a question about a study selects subjects from its population", hint="name population and subjects, and nothing else that selects")
            return
        columns = self.by.split(",")
        if not all(name.count(".") == 1 and not name.startswith(".") and not name.endswith(".") for name in columns):
            raise QueryError("no column to select by given", hint="name it as table.column, e.g. medical_claim.icd")
        if self.subjects or self.population or bool(self.codes) == bool(self.tuples) or self.codes and len(columns) > 1:
            raise QueryError("name the codes to select, of two columns pairs of codes", hint="codes=[...], or tuples=[(a, b), ...]")
        if any(len(t) != len(columns) for t in self.tuples):
            raise QueryError("a selected cell does not have one code for each column", hint="give one code for each column of by")

    @property
    def selected(self) -> list[tuple[str, ...]]:
        return [tuple(t) for t in self.tuples] or [(code,) for code in self.codes]

    def rule(self) -> dict[str, Any] | None:
        """The declared size, as library and wire both spell it."""
        if self.size:
            return {"exact": str(self.size)}
        if self.min_size or self.max_size:
            return {"range": {"min": str(self.min_size), **({"max": str(self.max_size)} if self.max_size else {})}}
        return None


def digest_of(parts: Iterable[bytes | str]) -> bytes:
    """SHA-256 over each part preceded by its length as eight little-endian bytes: no two lists of parts collide."""
    h = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        h.update(len(raw).to_bytes(8, "little") + raw)
    return h.digest()


def mapping_of(by: str, lists: Sequence[Sequence[str]]) -> bytes:
    """Digest of the list of entries."""
    head = ["jali cohort entries 1", by]
    if len(lists) > 1:
        head = ["jali cohort cells 1", by, *(str(len(one)) for one in lists)]
    return digest_of([*head, *(code for one in lists for code in one)])


def study_mapping_of(agreement: str, study: str, population: Sequence[str]) -> bytes:
    """Digest of a study's list."""
    return digest_of(["jali cohort subjects 1", agreement, study, *population])


def table_of(dataset: str, version: str, entries: int, params: str, mapping: bytes) -> bytes:
    """Names data version, list and parameter set in every ciphertext."""
    slots = 1 << LOG_SLOTS[params]
    return digest_of(["ecq1/table", dataset, version, entries.to_bytes(8, "little"), slots.to_bytes(8, "little"), params, mapping.hex(), bytes(32)])
