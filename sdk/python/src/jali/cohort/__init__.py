"""Encrypted questions: numbers over categories, or over participants of a study, that the gateway does not learn.

    question = jali.CohortQuery(by="person.region", codes=["R01", "R02"], min_size=2, error=20)
    client.cohort("count", question).frame

The work is done by libjali_cohort (docs/clients-encrypted.md), which wheels for a platform carry; else name it in
$JALI_COHORT_LIBRARY. Guaranteed: codes and subjects leave this process encrypted only; the receipt is verified before anything is decrypted;
no two uploads are made under one seed. Keys live in memory, for as long as the client is open: nothing is written. Do not fork
after the first question (multiprocessing: use "spawn"). Python cannot erase its own bytes.
"""

from .question import CohortQuery
from .session import CohortResult, Session

__all__ = ["CohortQuery", "CohortResult", "Session"]
