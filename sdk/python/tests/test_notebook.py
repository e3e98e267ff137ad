"""The example notebooks run from the first cell to the last against a real gateway."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.glob("*.ipynb")))
def test_notebook(name: str, profile: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="only requirements.lock has notebooks")
    nbclient = pytest.importorskip("nbclient", reason="only requirements.lock has notebooks")
    # The kernel of this interpreter, whatever kernels the machine has.
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    for variable, value in {"JUPYTER_PATH": tmp_path, "IPYTHONDIR": tmp_path, "JUPYTER_RUNTIME_DIR": tmp_path / "run", "JALI_PROFILE": profile}.items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent / "src"))
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit notebooks without outputs: they hold answers"
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = json.dumps(shown)
    assert "kilos_lo" in text and "lower95" in text and "decision" in text and "a changed result:" in text
