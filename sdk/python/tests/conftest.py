"""The Go test of this directory starts real gateways and names them in the environment; tests that need one are skipped without."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

import jali

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"no {name}: run `go test ./sdk/python` at the root of the repository")
    return value


@pytest.fixture(scope="session")
def profile() -> str:
    """Directory of a researcher's profile at a gateway with NHEFS."""
    return _environment("JALI_TEST_PROFILE")


@pytest.fixture(scope="session")
def client(profile: str) -> Iterator[jali.Client]:
    with jali.connect(profile, agreement="agr-nhefs-demo", purpose="DUO:0000006", dataset="nhefs") as c:
        yield c


@pytest.fixture(scope="session")
def scheme() -> Iterator[jali.Client]:
    """A researcher at a gateway with the generated scheme, open for encrypted questions."""
    with jali.connect(_environment("JALI_TEST_SCHEME"), agreement="agr-cohort", purpose="DUO:0000006", dataset="scheme") as c:
        yield c
