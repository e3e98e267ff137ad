"""Against a real gateway: every figure has real noise, so intervals are compared and figures are not. A test that compares two figures
says how often it rejects a correct program."""

from __future__ import annotations

import concurrent.futures
import copy
import json
import pathlib

import grpc
import pandas as pd
import pytest

import jali
from jali.client import checked
from jali.v1 import query_pb2
from jali.v1.query_pb2_grpc import QueryServiceStub

BY_QUIT = "SELECT qsmk, AVG(wt82_71) AS kilos, COUNT(*) AS n FROM nhefs GROUP BY qsmk"


def test_query(client: jali.Client) -> None:
    quote = client.quote(BY_QUIT, error=20).require()
    answer = client.query(BY_QUIT, error=20, quote=quote)
    assert answer.price_pu == quote.price_pu > 0 and not answer.replayed
    frame = answer.frame
    assert list(frame.columns) == ["qsmk", "kilos", "kilos_lo", "kilos_hi", "n", "n_lo", "n_hi"]
    assert str(frame["n"].dtype) == "Int64" and len(frame) == 2
    assert ((frame["n_hi"] - frame["n_lo"]) / 2 <= 20.5).all() and (frame["n_lo"] < frame["n"]).all() and (frame["kilos"] < frame["kilos_hi"]).all()
    # 1,629 persons: ten half-widths away (20 sigma) never happens.
    assert abs(frame["n"].sum() - 1629) < 400
    about = frame.attrs["jali"]
    assert about["agreement"] == "agr-nhefs-demo" and about["price_pu"] == answer.price_pu and about["decision"] == answer.receipt.intent.seq
    assert "Ed25519" in about["signed_by"]
    json.dumps(about)
    assert answer.receipt.result_checked and answer.receipt.sql == BY_QUIT
    # What is kept verifies again, and nothing else does.
    keys = jali.Keys.read(client.profile.key_lines())
    assert jali.verify_receipt(answer.receipt.raw, answer.raw, keys).intent == answer.receipt.intent
    with pytest.raises(jali.VerificationError):
        jali.verify_receipt(answer.receipt.raw, answer.raw.replace(b"1", b"2", 1), keys)


def test_replay_and_view(client: jali.Client) -> None:
    first = client.query("SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk", error=25)
    again = client.query("select qsmk as quit, count(*) as persons from nhefs group by qsmk order by count(*) desc limit 1", error=25)
    assert again.replayed and again.price_pu == 0 and again.receipt.raw == first.receipt.raw
    assert [c.name for c in again.columns] == ["quit", "persons"] and len(again.rows) == 1
    assert again.rows[0][1] == max(row[1] for row in first.rows)


def test_hidden_figures_are_missing(client: jali.Client) -> None:
    answer = client.query("SELECT age_band, COUNT(*) AS n FROM nhefs WHERE age < 40 GROUP BY age_band", error=10)
    assert answer.hidden_groups > 0
    frame = answer.frame
    hidden = frame["n"].isna()
    assert hidden.any() and frame.loc[hidden, ["n_lo", "n_hi"]].isna().all().all() and frame.loc[~hidden, ["n_lo", "n_hi"]].notna().all().all()


def test_derived_by_the_gateway(client: jali.Client) -> None:
    answer = client.query("SELECT * FROM prevalence(outcome => qsmk = 1, by => sex)", error=20)
    assert answer.analysis is not None and answer.frame.attrs["jali"]["derived_by"] == "gateway"
    frame = answer.frame
    assert {"lower95", "upper95"} <= set(frame.columns) and not any(c.endswith("_lo") for c in frame.columns)
    low, high = frame["lower95"].astype(float), frame["upper95"].astype(float)
    assert (low < high).all() and (low >= 0).all() and (high <= 1).all()
    assert answer.receipt.result_checked


@pytest.mark.parametrize(
    ("question", "want", "code"),
    [
        ({"sql": "SELECT COUNT(*) FORM nhefs"}, jali.QueryError, "SYNTAX"),
        ({"sql": "SELECT COUNT(*) FROM nobody"}, jali.QueryError, "UNKNOWN_NAME"),
        ({"purpose": "DUO:9999999"}, jali.PolicyDenied, "POLICY_DENIED"),
        ({"agreement": "agr-poor"}, jali.BudgetExhausted, "BUDGET_AGREEMENT"),
        ({"agreement": "agr-none"}, jali.JaliError, ""),
    ],
)
def test_refusals(client: jali.Client, question: dict, want: type, code: str) -> None:
    with pytest.raises(want) as caught:
        client.query(**{"sql": "SELECT COUNT(*) AS n FROM nhefs", "error": 20, **question})
    error = caught.value
    assert error.hint and (not code or error.code == code)
    if want is not jali.JaliError:
        assert error.decision, "a refusal is on record before it is told"
    if code == "SYNTAX":
        assert error.line == 1 and error.column > 1
    if want is jali.PolicyDenied:
        assert error.reasons and error.message


def test_refused_quote(client: jali.Client) -> None:
    quote = client.quote("SELECT COUNT(*) FROM nhefs", error=20, agreement="agr-poor")
    assert not quote.allowed and quote.fits
    with pytest.raises(jali.BudgetExhausted):
        quote.require()


def test_budget_and_catalogue(client: jali.Client) -> None:
    before = client.budget()["nhefs"].remaining_pu
    answer = client.query("SELECT COUNT(*) AS n FROM nhefs WHERE age > 41", error=30)
    report = client.budget()
    assert report["nhefs"].remaining_pu == before - answer.price_pu == answer.agreement_remaining_pu
    newest = report.charges.iloc[0]
    assert newest["seq"] == answer.receipt.intent.seq and newest["price_pu"] == answer.price_pu and newest["outcome"] == "RELEASE"
    assert isinstance(newest["time"], pd.Timestamp)
    (dataset,) = client.datasets()
    assert dataset.id == "nhefs" and "wt82_71" in set(dataset.columns["column"])
    assert set(client.codes("nhefs", "nhefs", "qsmk")["code"]) == {"0", "1"}
    assert client.dataset("nhefs").version == dataset.version


def test_a_lying_gateway(client: jali.Client) -> None:
    """A real answer, changed in every way that a gateway could change it: none is handed on."""
    request = query_pb2.QueryRequest(
        agreement="agr-nhefs-demo", purpose="DUO:0000006", dataset="nhefs", sql="SELECT COUNT(*) AS n FROM nhefs WHERE age > 42", error="30", request_id="liar-1"
    )
    answer = QueryServiceStub(client.channel).Query(request, timeout=30)
    keys = jali.Keys.read(client.profile.key_lines())
    assert checked(request, answer, keys).purpose == "DUO:0000006"
    other = QueryServiceStub(client.channel).Query(query_pb2.QueryRequest(**{**_fields(request), "sql": BY_QUIT, "request_id": "liar-2"}), timeout=30)

    def lie(**change: object) -> query_pb2.QueryResponse:
        changed = copy.deepcopy(answer)
        for name, value in change.items():
            setattr(changed, name, value)
        return changed

    for name, lying in {
        "no receipt": lie(receipt=b""),
        "no result": lie(result=b""),
        "another result": lie(result=answer.result.replace(b'"hidden_groups"', b'"hidden_Groups"')),
        "receipt of another question": lie(receipt=other.receipt, decision=other.decision),
        "another answer whole": other,
        "another price": lie(price_pu=answer.price_pu + 1),
        "another decision": lie(decision=answer.decision + 1),
        "a replay with a price": lie(replayed=True),
    }.items():
        with pytest.raises(jali.ReceiptError) as caught:
            checked(request, lying, keys)
        assert caught.value.hint, name
    for field, value in {"agreement": "agr-other", "purpose": "DUO:0000042", "dataset": "other", "sql": "SELECT 1", "error": "31", "request_id": "x", "quote_id": "q"}.items():
        with pytest.raises(jali.ReceiptError):
            checked(query_pb2.QueryRequest(**{**_fields(request), field: value}), answer, keys)
    with pytest.raises(jali.ReceiptError):
        checked(query_pb2.QueryRequest(**{**_fields(request), "error_for": {"n": "5"}}), answer, keys)


def _fields(request: query_pb2.QueryRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in ("agreement", "purpose", "dataset", "sql", "error", "request_id", "quote_id")}


def test_no_keys_no_question(client: jali.Client, profile: str) -> None:
    bare = jali.Profile(**{**client.profile.__dict__, "vkeys": ""})
    with jali.Client(bare) as c:
        assert c.quote("SELECT COUNT(*) FROM nhefs", error=20).allowed
        with pytest.raises(jali.ConfigError, match="verifier keys"):
            c.query("SELECT COUNT(*) FROM nhefs", error=20)


def test_the_same_request_is_charged_once(client: jali.Client) -> None:
    sql = "SELECT COUNT(*) AS n FROM nhefs WHERE age > 43"
    before = client.budget()["nhefs"].remaining_pu
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.query(sql, error=30, request_id="once-1"), range(4)))
    assert len({a.raw for a in answers}) == 1
    assert client.budget()["nhefs"].remaining_pu == before - max(a.price_pu for a in answers)


def test_unreachable(client: jali.Client) -> None:
    nowhere = jali.Profile(**{**client.profile.__dict__, "endpoint": "https://127.0.0.1:1"})
    with jali.Client(nowhere, timeout=2, attempts=2) as c, pytest.raises(jali.Unavailable) as caught:
        c.budget()
    assert caught.value.hint


def test_token(client: jali.Client) -> None:
    """A token is sent with each call, and is not made good by the certificate. This gateway has no identity provider, so it takes none."""
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return "a.b.c"

    bare = jali.Profile(**{**client.profile.__dict__, "cert": "", "key": ""})
    for profile in (client.profile, bare):
        with jali.Client(profile, token=token, attempts=1) as c, pytest.raises(jali.Unauthenticated) as caught:
            c.budget("agr-nhefs-demo")
        assert caught.value.hint and "a.b.c" not in str(caught.value)
    assert len(asked) == 2
    with pytest.raises(jali.ConfigError):
        jali.Client(bare)

    def broken() -> str:
        raise OSError("no provider")

    with jali.Client(bare, token=broken) as c, pytest.raises(OSError, match="no provider"):
        c.budget("agr-nhefs-demo")


def test_token_file(client: jali.Client, tmp_path: pathlib.Path) -> None:
    """What `jali login` wrote is read before each call; nothing of it is in an error."""
    file = tmp_path / "token"
    profile = jali.Profile(**{**client.profile.__dict__, "cert": "", "key": "", "token_file": str(file)})
    good = {"format": "jali-token/1", "access_token": "a.secret.c", "expires": "2099-01-01T00:00:00.123456789+09:00"}
    with jali.Client(profile, attempts=1) as c:
        for text, want in (
            (None, jali.ConfigError), (json.dumps({**good, "expires": "2020-01-01T00:00:00Z"}), jali.Unauthenticated), ('{"access_token": "a.secret.c"', jali.ConfigError),
            (json.dumps({**good, "format": "jali-token/2"}), jali.ConfigError), (json.dumps({**good, "access_token": "a.secret.c\n"}), jali.ConfigError), (json.dumps(good), jali.Unauthenticated),
        ):  # fmt: skip
            if text is not None:
                file.write_text(text)
                file.chmod(0o600)
            with pytest.raises(want) as caught:
                c.budget("agr-nhefs-demo")
            assert "secret" not in str(caught.value) and caught.value.hint
        assert caught.value.code != "TOKEN", "the last one reached the gateway, which takes no tokens"
        file.chmod(0o644)
        with pytest.raises(jali.ConfigError, match="other users"):
            c.budget("agr-nhefs-demo")


def test_stranger(client: jali.Client, profile: str) -> None:
    """A gateway with another CA than the profile's is not talked to."""
    mine = client.profile
    with jali.Client(jali.Profile(**{**mine.__dict__, "ca": ""}), timeout=5, attempts=1) as c, pytest.raises(jali.Unavailable):
        c.budget()


@pytest.mark.parametrize(("error", "text"), [(50, "50"), (0.5, "0.5"), (20.0, "20"), ("7.25", "7.25")])
def test_accuracy(error: float | str, text: str) -> None:
    from jali.client import decimal_text

    assert decimal_text(error) == text


@pytest.mark.parametrize("error", [0, -1, float("nan"), float("inf"), 1e300, True])
def test_no_accuracy(client: jali.Client, error: float) -> None:
    with pytest.raises(jali.QueryError):
        client.query("SELECT COUNT(*) FROM nhefs", error=error)


def test_profiles(tmp_path: pathlib.Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = jali.load_profile(profile)
    assert loaded.target.startswith("127.0.0.1:") and pathlib.Path(loaded.cert).is_absolute()
    config = tmp_path / "config.yaml"
    monkeypatch.setenv("JALI_CONFIG", str(config))
    config.write_text("default: a\nprofiles:\n  a:\n    endpoint: https://gw.example\n    key: key.pem\n    issuer: https://idp.example\n  b:\n    endpoint: https://other.example:9\n")
    assert jali.load_profile().target == "gw.example:443" and jali.load_profile("b").target == "other.example:9"
    assert jali.load_profile().key == str(tmp_path / "key.pem")
    (tmp_path / "key.pem").write_text("secret")
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(jali.ConfigError, match="other users"):
        jali.load_profile().pem("key")
    for bad in ("profiles:\n  a:\n    endpont: x\n", "profiles:\n  a:\n    ca: x\n    ca: y\n", "[]", "profiles: {}\n", "\t"):
        config.write_text(bad)
        with pytest.raises(jali.ConfigError):
            jali.load_profile()
    for endpoint in ("http://x", "x:1", "https://u@x", "https://x/y", "https://x:99999"):
        with pytest.raises(jali.ConfigError):
            assert jali.Profile(endpoint=endpoint).target


def test_errors_without_details() -> None:
    """What a proxy answers is typed by the gRPC code alone."""
    from jali.errors import from_rpc

    class Plain(grpc.RpcError):
        def __init__(self, status: grpc.StatusCode) -> None:
            self.status = status

        def code(self) -> grpc.StatusCode:
            return self.status

        def details(self) -> str:
            return "no"

        def trailing_metadata(self) -> None:
            return None

    for status, want in {
        grpc.StatusCode.UNAVAILABLE: jali.Unavailable, grpc.StatusCode.PERMISSION_DENIED: jali.PolicyDenied, grpc.StatusCode.INVALID_ARGUMENT: jali.QueryError,
        grpc.StatusCode.UNAUTHENTICATED: jali.Unauthenticated, grpc.StatusCode.INTERNAL: jali.Unavailable, grpc.StatusCode.DEADLINE_EXCEEDED: jali.Unavailable,
    }.items():  # fmt: skip
        assert type(from_rpc(Plain(status))) is want
