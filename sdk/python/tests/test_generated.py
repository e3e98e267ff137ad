"""The committed stubs are what the .proto files say."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from .conftest import REPOSITORY

HERE = pathlib.Path(__file__).resolve().parents[1]


def test_stubs_are_up_to_date(tmp_path: pathlib.Path) -> None:
    tools = pytest.importorskip("grpc_tools", reason="only requirements-floor.lock has the generator")
    assert tools
    subprocess.run([sys.executable, str(HERE / "tools" / "generate.py"), str(REPOSITORY / "proto"), str(REPOSITORY / "third_party" / "proto"), str(tmp_path)], check=True)
    made = {f.name: f.read_bytes() for f in (tmp_path / "jali" / "v1").iterdir()}
    kept = {f.name: f.read_bytes() for f in (HERE / "src" / "jali" / "v1").iterdir() if f.is_file()}
    assert made == kept, "a .proto file changed: make python-stubs, and commit the result"
