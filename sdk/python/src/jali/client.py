"""The client: asks one gateway, and verifies receipts before it hands answers on."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import grpc
import pandas as pd

from . import audit, cohort
from .describe import Budget, Dataset, Quote, budget_of, dataset_of, quote_of
from .errors import ConfigError, QueryError, ReceiptError, Unavailable, from_rpc
from .profile import Profile, load_profile, token_file
from .result import Result, read_answer
from .v1 import budget_pb2, catalog_pb2, query_pb2
from .v1.budget_pb2_grpc import BudgetServiceStub
from .v1.catalog_pb2_grpc import CatalogServiceStub
from .v1.cohort_pb2_grpc import CohortServiceStub
from .v1.query_pb2_grpc import QueryServiceStub

MAX_MESSAGE = 256 << 20  # what the gateway sends at most: 100,000 rows of a table function are filled up to some 60 to 90 MiB
T = TypeVar("T")


class Client:
    """Asks one gateway over mutual TLS. Threads may share it. Use it as a context manager, or close it.

        with jali.connect("./ana", agreement="agr-nhefs-demo", purpose="DUO:0000006") as client:
            answer = client.query("SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk", error=20)
            answer.frame          # qsmk, n, n_lo, n_hi
            answer.receipt.checks

    While the gateway is unavailable it asks again, up to ``attempts`` times, with one request id, so that a question is charged once.
    ``timeout`` bounds each call, retries included, in seconds.

    ``token`` returns an access token of the gateway's identity provider; it is asked before each call, so that it can renew. It takes the place of
    a client certificate, or joins it where tokens are bound to certificates. Left out: the profile's token_file, which ``jali login`` writes.
    """

    def __init__(self, profile: Profile, *, token: Callable[[], str] | None = None, timeout: float = 60.0, attempts: int = 5) -> None:
        self.profile = profile
        self._timeout, self._attempts = timeout, attempts
        self._token = token or (token_file(profile.token_file) if profile.token_file else None)
        certificate, key = profile.pem("cert"), profile.pem("key")
        if bool(certificate) != bool(key) or self._token is None and not certificate:
            raise ConfigError("a client certificate and its key are needed, or a token", "`jali-gateway client new` issues them with a profile; `jali login` gets tokens")
        lines = profile.key_lines()
        try:
            self._keys = audit.Keys.read(lines) if lines else None
        except audit.KeysError as error:
            raise ConfigError(f"log verifier keys: {error}", "name the vkeys file that came with the client certificate") from None
        credentials = grpc.ssl_channel_credentials(profile.pem("ca"), key, certificate)
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.enable_retries", 0), ("grpc.primary_user_agent", "jali-sdk-python")]
        self._channel = grpc.secure_channel(profile.target, credentials, options=options)
        self._queries, self._catalog = QueryServiceStub(self._channel), CatalogServiceStub(self._channel)
        self._budgets, self._cohorts = BudgetServiceStub(self._channel), CohortServiceStub(self._channel)
        self._session: cohort.Session | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and erases keys of encrypted questions from memory as far as the library can."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
        self._channel.close()

    @property
    def channel(self) -> grpc.Channel:
        """The connection, for services that this class does not wrap. It sends no token; ``errors.from_rpc`` types what it raises."""
        return self._channel

    def query(
        self, sql: str, *, error: float | str, agreement: str = "", purpose: str = "", dataset: str = "",
        error_for: Mapping[str, float | str] | None = None, quote: Quote | None = None, request_id: str = "",
    ) -> Result:  # fmt: skip
        """Asks, verifies the receipt, and only then hands the answer over. Charged unless it is a replay.

        ``error`` is the accuracy asked for: the half-width at 95 %, in rows or persons for counts and in the output's unit for sums; it sets the
        price, and has no default. ``error_for`` overrides it for outputs by name. ``quote`` binds the price of a quote. ``request_id``
        makes asking again from another process safe.
        """
        keys = self._pinned()
        request = query_pb2.QueryRequest(
            **self._question(sql, error, agreement, purpose, dataset, error_for),
            request_id=request_id or secrets.token_hex(16), quote_id=quote.id if quote else "",
        )  # fmt: skip
        answer: query_pb2.QueryResponse = self._call(self._queries.Query, request)
        return read_answer(answer, checked(request, answer, keys), request.request_id)

    def quote(
        self, sql: str, *, error: float | str, agreement: str = "", purpose: str = "", dataset: str = "", error_for: Mapping[str, float | str] | None = None
    ) -> Quote:
        """Tells price and accuracy of a question, and whether it would be answered now. Free; uses no data."""
        return quote_of(self._call(self._queries.Quote, query_pb2.QuoteRequest(**self._question(sql, error, agreement, purpose, dataset, error_for))))

    def budget(self, agreement: str = "") -> Budget:
        """What an agreement has left, and what spent it."""
        return budget_of(self._call(self._budgets.GetBudget, budget_pb2.GetBudgetRequest(agreement=self._named("agreement", agreement))))

    def datasets(self) -> list[Dataset]:
        """What the caller may see."""
        return [dataset_of(d) for d in self._call(self._catalog.ListDatasets, catalog_pb2.ListDatasetsRequest()).datasets]

    def dataset(self, id: str) -> Dataset:
        return dataset_of(self._call(self._catalog.GetDataset, catalog_pb2.GetDatasetRequest(id=id)))

    def codes(self, dataset: str, table: str, column: str, *, filter: str = "") -> pd.DataFrame:
        """The public code list of a column, or of a declared band, whole: code and label."""
        found: list[catalog_pb2.Code] = []
        while True:
            request = catalog_pb2.ListCodesRequest(dataset=dataset, table=table, column=column, filter=filter, offset=len(found), limit=1000)
            page = self._call(self._catalog.ListCodes, request)
            found.extend(page.codes)
            if not page.codes or len(found) >= page.total:
                frame: pd.DataFrame = pd.DataFrame({"code": [c.code for c in found], "label": [c.label for c in found]}, dtype="string")
                return frame

    def cohort(self, aggregate: str, question: cohort.CohortQuery) -> cohort.CohortResult:
        """Asks an encrypted question: "count", "sum" or "mean" over categories that the gateway does not learn (jali.cohort)."""
        keys = self._pinned()
        with self._lock:
            if self._session is None:
                self._session = cohort.Session(self._cohorts, self._call, self.codes)
            session = self._session
        return session.ask(aggregate, question.filled(self.profile), keys)

    def _pinned(self) -> audit.Keys:
        if self._keys is None:
            raise ConfigError("without the log's verifier keys no answer can be verified, so none is asked for", "pin them: vkeys in the profile")
        return self._keys

    def _named(self, what: str, given: str) -> str:
        value: str = given or getattr(self.profile, what)
        if not value:
            raise QueryError(f"no {what} given", hint=f"name it: {what}=..., here or in connect()")
        return value

    def _question(
        self, sql: str, error: float | str, agreement: str, purpose: str, dataset: str, error_for: Mapping[str, float | str] | None
    ) -> dict[str, Any]:
        if not sql:
            raise QueryError("no SQL given", hint="ask for aggregates, e.g. SELECT COUNT(*) FROM person")
        return {
            "agreement": self._named("agreement", agreement), "purpose": self._named("purpose", purpose), "dataset": dataset or self.profile.dataset,
            "sql": sql, "error": decimal_text(error), "error_for": {name: decimal_text(e) for name, e in (error_for or {}).items()},
        }  # fmt: skip

    def _call(self, method: Callable[..., T], request: Any, attempts: int = 0) -> T:
        """Calls until the gateway answers, while it is unavailable. What is sent must be idempotent, or attempts 1."""
        deadline, wait = time.monotonic() + self._timeout, 0.1
        attempts = attempts or self._attempts
        for attempt in range(1, attempts + 1):
            try:
                metadata = (("authorization", "Bearer " + self._token()),) if self._token else None
                return method(request, timeout=max(0.001, deadline - time.monotonic()), metadata=metadata)
            except grpc.RpcError as raised:
                error = from_rpc(raised)
                call: Any = raised
                again = call.code() == grpc.StatusCode.UNAVAILABLE and isinstance(error, Unavailable) and error.code != "RATE"
                if not again or attempt == attempts or time.monotonic() + wait >= deadline:
                    raise error from None
            # Half to one and a half of the wait, so that clients turned away together do not come back together.
            time.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, 3.0)
        raise AssertionError("unreachable")


def connect(
    profile: str | Profile = "", *, agreement: str = "", purpose: str = "", dataset: str = "", token: Callable[[], str] | None = None,
    timeout: float = 60.0, attempts: int = 5,
) -> Client:  # fmt: skip
    """Makes a client from a profile (docs/cli.md), or from the directory that ``jali-gateway client new`` wrote. Does not wait for the gateway."""
    p = profile if isinstance(profile, Profile) else load_profile(profile)
    values = {**p.__dict__, **{k: v for k, v in (("agreement", agreement), ("purpose", purpose), ("dataset", dataset)) if v}}
    return Client(Profile(**values), token=token, timeout=timeout, attempts=attempts)


def decimal_text(error: float | str) -> str:
    """An accuracy as the positive decimal that the gateway reads."""
    if isinstance(error, str):
        return error
    text = str(error) if isinstance(error, int) else repr(float(error))
    if isinstance(error, bool) or not error > 0 or "e" in text or "inf" in text:
        raise QueryError("the accuracy is not a positive number", hint="say how accurate the answer must be, e.g. error=50; smaller costs more")
    return text[:-2] if text.endswith(".0") else text


def checked(request: query_pb2.QueryRequest, answer: query_pb2.QueryResponse, keys: audit.Keys) -> audit.Report:
    """Verifies the receipt of an answer, and that it is the receipt of this answer to this question: a valid receipt of another
    agreement, question, price or result is refused too.

    A replay carries the receipt of the first asking, which may have been spelt differently: there, agreement and data set must match.
    """
    try:
        if not answer.receipt or not answer.result:
            raise audit.VerificationError("the answer came without result or receipt")
        report = audit.verify_receipt(answer.receipt, answer.result, keys)
        _matches(request, answer, report)
        return report
    except audit.VerificationError as error:
        raise ReceiptError(str(error), unverified_receipt=answer.receipt, unverified_result=answer.result) from None


def _matches(request: query_pb2.QueryRequest, answer: query_pb2.QueryResponse, report: audit.Report) -> None:
    def other(what: str) -> audit.VerificationError:
        return audit.VerificationError(f"the receipt is of another {what}")

    if report.agreement != request.agreement:
        raise other("agreement")
    if request.dataset and report.dataset != request.dataset:
        raise other("data set")
    if answer.decision != report.intent.seq:
        raise other("decision")
    if answer.replayed:
        if answer.price_pu != 0:
            raise audit.VerificationError("a stored answer is free, but a price is stated")
        return
    if report.purpose != request.purpose:
        raise other("purpose")
    if report.intent.text("acct") not in ("nrho", "cells") or report.price != answer.price_pu:
        raise other("price")
    try:
        on = json.loads(report.details["INTENT"].get("request", ""))
        recorded = tuple(on.get(name, "") for name in ("agreement", "purpose", "sql", "error", "request_id", "quote_id")), on.get("error_for") or {}
    except (ValueError, AttributeError):
        raise audit.VerificationError("the receipt does not disclose the question") from None
    asked = (request.agreement, request.purpose, request.sql, request.error, request.request_id, request.quote_id), dict(request.error_for)
    if recorded != asked:
        raise other("question")


__all__ = ["Client", "checked", "connect", "decimal_text"]
