"""What is installed beside the code: types, docstrings, the notebook, the examples."""

import ast
import doctest
import inspect
import runpy
from importlib.resources import files
from pathlib import Path

import pytest

import triax
from triax import _triax

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_stubs_are_of_the_compiled_module():
    assert files("triax").joinpath("py.typed").is_file()
    stubs = ast.parse(files("triax").joinpath("_triax.pyi").read_text())
    public = {name for name in dir(_triax) if not name.startswith("_")}
    functions = {node.name: node for node in stubs.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
    assert public == functions.keys() | classes.keys()
    for name, node in functions.items():
        assert list(inspect.signature(getattr(_triax, name)).parameters) == [arg.arg for arg in node.args.args], name
    for name, node in classes.items():
        told = {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        compiled = getattr(_triax, name)
        assert {member for member in dir(compiled) if not member.startswith("_")} == told | methods.keys(), name
        for method, item in methods.items():
            signature = inspect.signature(getattr(compiled, method))
            assert list(signature.parameters) == [arg.arg for arg in item.args.args], f"{name}.{method}"


def test_all_that_is_public_is_described():
    for name in triax.__all__:
        thing = getattr(triax, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name
        if inspect.isfunction(thing):
            missing = [one for one in inspect.signature(thing).parameters if one not in thing.__doc__]
            assert not missing, f"{name}: {missing}"


@pytest.mark.filterwarnings("ignore::triax.TriaxNote")
def test_examples_in_docstrings():
    found = doctest.DocTestFinder().find(triax.TriaxClassifier, "TriaxClassifier", globs={})
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert sum(result.attempted for result in results) > 4 and not any(result.failed for result in results)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks(notebook, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") for cell in cells.cells), "notebooks are kept without outputs"
    nbclient.NotebookClient(cells, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    html = [output.data.get("text/html", "") for cell in cells.cells for output in cell.get("outputs", []) if "data" in output]
    assert any("<polyline" in text for text in html), "the curves are shown"
