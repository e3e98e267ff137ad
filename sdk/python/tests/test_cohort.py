"""Encrypted questions against a real gateway, through the shared library."""

from __future__ import annotations

import os

import pytest

import jali
from jali import cohort
from jali.cohort.question import mapping_of, table_of

pytestmark = pytest.mark.skipif(not os.environ.get("JALI_COHORT_LIBRARY"), reason="no JALI_COHORT_LIBRARY: the Go test builds it where there is gcc")


def near(a: float, ha: float, b: float, hb: float) -> bool:
    """Two noisy figures of one true figure: further apart than three times the half-widths (8 sigma) with probability below 1e-15."""
    return abs(a - b) <= 3 * (ha + hb)


def half(answer: jali.Result, name: str) -> float:
    frame = answer.frame
    return float((frame[name + "_hi"] - frame[name + "_lo"]).iloc[0]) / 2


def test_count_is_the_plaintext_twin(scheme: jali.Client) -> None:
    regions = list(scheme.codes("scheme", "person", "region")["code"])[:3]
    answer = scheme.cohort("count", jali.CohortQuery(by="person.region", codes=regions, error=20))
    names = ", ".join(f"'{r}'" for r in regions)
    plain = scheme.query(f"SELECT COUNT(*) AS n FROM person WHERE region IN ({names})", error=20)
    assert near(answer.frame["count"].iloc[0], half(answer, "count"), plain.frame["n"].iloc[0], half(plain, "n"))
    assert answer.price_pu > 0 and answer.uploaded_bytes == 1_044_480 + 208_928 and answer.receipt.result_checked
    assert not any(r in answer.receipt.raw.decode() for r in names.split(", ")), "the selection is on no record"
    again = scheme.cohort("count", jali.CohortQuery(by="medical_claim.setting", codes=["inpatient"], where="day >= DATE '2000-01-01'", size=1, error=30))
    assert again.uploaded_bytes < 300_000, "the key was registered twice"


def test_sum_and_mean(scheme: jali.Client) -> None:
    years = list(scheme.codes("scheme", "enrolment", "year")["code"])[:2]
    q = jali.CohortQuery(by="enrolment.year", codes=years, measure="contribution", min_size=2, error=500_000)
    total = scheme.cohort("sum", q)
    plain = scheme.query(f"SELECT SUM(contribution) AS s FROM enrolment WHERE year IN ({', '.join(years)})", error=500_000)
    assert near(total.frame["sum"].iloc[0], half(total, "sum"), plain.frame["s"].iloc[0], half(plain, "s"))
    mean = scheme.cohort("mean", jali.CohortQuery(by="enrolment.year", codes=years, measure="contribution", error=100))
    twin = scheme.query(f"SELECT AVG(contribution) AS a FROM enrolment WHERE year IN ({', '.join(years)})", error=100)
    assert near(mean.frame["mean"].iloc[0], half(mean, "mean"), twin.frame["a"].iloc[0], half(twin, "a"))


def test_participants_of_a_study(scheme: jali.Client) -> None:
    """All 400 participants of the list, and half of them; every one has one row in person."""
    population = [str(1 + i) for i in range(400)]
    q = jali.CohortQuery(by="person", study="arm", population=population, subjects=population, error=10)
    everyone = scheme.cohort("count", q)
    half_of_them = scheme.cohort("count", jali.CohortQuery(by="person", study="arm", population=population, subjects=population[::2], error=10))
    assert near(everyone.frame["count"].iloc[0], half(everyone, "count"), 400, 0) and near(half_of_them.frame["count"].iloc[0], half(half_of_them, "count"), 200, 0)
    for wrong in ({"population": population[::-1]}, {"population": population[:-1]}, {"subjects": ["0"]}, {"subjects": ["7", "7"]}):
        with pytest.raises((jali.QueryError, jali.StaleQuote)):
            scheme.cohort("count", jali.CohortQuery(**{**q.__dict__, **wrong}))


def test_groups(scheme: jali.Client) -> None:
    settings = list(scheme.codes("scheme", "medical_claim", "setting")["code"])[:1]
    answer = scheme.cohort("count", jali.CohortQuery(by="medical_claim.setting", codes=settings, group="person.sex", error=60))
    frame = answer.frame
    assert list(frame.columns) == ["sex", "count", "count_lo", "count_hi"] and len(frame) == len(scheme.codes("scheme", "person", "sex")) + frame["sex"].isna().sum()


def test_refused_before_anything_is_sent(scheme: jali.Client) -> None:
    for wrong in (
        {"codes": ["no such region"]}, {"codes": []}, {"by": "person", "codes": ["R01"]}, {"codes": ["x"], "size": -1}, {"codes": ["x"], "measure": "y"},
        {"codes": list(scheme.codes("scheme", "person", "region")["code"])[:2], "size": 3},
    ):  # fmt: skip
        before = scheme.budget()["scheme-insured"].remaining_pu
        with pytest.raises(jali.QueryError) as caught:
            scheme.cohort("count", jali.CohortQuery(**{"by": "person.region", "error": 20, **wrong}))
        assert caught.value.hint and scheme.budget()["scheme-insured"].remaining_pu == before
    with pytest.raises(jali.QueryError, match="auditor"):
        region = scheme.codes("scheme", "person", "region")["code"].iloc[0]
        scheme.cohort("count", jali.CohortQuery(by="person.region", codes=[region], error=20, auditor=b"k"))


def test_a_changed_reply_is_not_decrypted(scheme: jali.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = list(scheme.codes("scheme", "person", "region")["code"])[:2]
    from jali.cohort import session

    seen: list[bytes] = []
    real = session._verified

    def tampered(aggregate, q, key, offer, commit, answer, keys):  # type: ignore[no-untyped-def]
        answer.reply = answer.reply[:-1] + bytes([answer.reply[-1] ^ 1])
        return real(aggregate, q, key, offer, commit, answer, keys)

    monkeypatch.setattr(session, "_verified", tampered)
    monkeypatch.setattr(session.Key, "decrypt", lambda self, reply, bounds: seen.append(reply))
    with pytest.raises(jali.ReceiptError):
        scheme.cohort("count", jali.CohortQuery(by="person.region", codes=regions, error=20))
    assert not seen


def test_without_the_library(scheme: jali.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JALI_COHORT_LIBRARY", "/no/such/library.so")
    with jali.Client(scheme.profile) as fresh, pytest.raises(jali.ConfigError, match="libjali_cohort"):
        fresh.cohort("count", jali.CohortQuery(by="person.region", codes=["r01"], error=20))


def test_digests_bind_lists() -> None:
    assert mapping_of("t.c", [["a", "b"]]) != mapping_of("t.c", [["ab"]])
    assert mapping_of("t.a,t.b", [["a", "b"], ["c"]]) != mapping_of("t.a,t.b", [["a"], ["b", "c"]])
    assert table_of("d", "v", 3, "ecq1-a", bytes(32)) != table_of("d", "v", 3, "ecq1-b", bytes(32))
    assert cohort.CohortQuery(by="t.c", error=1, codes=["x"]).rule() is None
