"""The architecture in docs/architecture.md: imports point down, and the package keeps its promises."""

import ast
import configparser
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_gen

ROOT = Path(__file__).resolve().parents[1]
BELOW = {
    "pages": set(),
    "ops": set(),
    "layers": {"ops"},
    "networks": {"layers", "ops"},
    "data": {"ops"},
    "metrics": {"networks", "layers", "ops"},
    "export": {"layers", "ops"},
    "diagnostics": {"ops"},
    "visual": {"export", "ops"},
    "inference": {"export", "visual", "ops"},
    "engine": {"diagnostics", "export", "visual", "layers", "ops"},
    "cli": {"engine"},
    "models": {"engine", "export", "diagnostics", "visual", "networks", "layers", "ops"},
    "evaluation": {"engine", "data", "metrics", "networks", "ops"},
    "compression": {"engine", "inference", "visual", "data", "metrics", "ops"},
}
GROUND = {"errors", "console", "files", "flags", "pages"}


def imported(path: Path) -> set[str]:
    """Modules of the project that a file imports, as "keras_gen.room" or "apps"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {".".join(name.split(".")[:2]) for name in names if name.split(".")[0] in ("keras_gen", "apps")}
    return found


FILES = sorted(path for path in (ROOT / "keras_gen").rglob("*.py") if path.parent.name != "keras_gen")


def test_there_are_files_in_every_room():
    assert {path.relative_to(ROOT / "keras_gen").parts[0] for path in FILES} == set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT / "keras_gen").parts[0]
    for name in imported(path):
        floor = name.removeprefix("keras_gen.")
        assert floor in GROUND | BELOW[room] | {room, "__version__"} or name == "keras_gen", (
            f"{room} must not import {name}"
        )


def test_apps_hold_no_logic():
    for path in (ROOT / "apps").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        bases = {ast.unparse(b) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for b in n.bases}
        assert bases <= {"BaseConfig"}, f"{path.name}: {names} inherit; classes with logic belong into keras_gen"


def test_flags_of_every_command_are_checked_by_their_annotations():
    for path in [*(ROOT / "apps").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name == "Flags":
                assert [ast.unparse(base) for base in node.bases] == ["BaseConfig"], path


def test_there_is_no_utils():
    assert not [path for path in ROOT.glob("*/**/util*.py") if ".venv" not in path.parts]


def test_the_version_is_written_once_for_each_reader():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == keras_gen.__version__
    assert f"## {keras_gen.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_a_clear_error(backend):
    environment = os.environ | {"KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, "-c", "import keras_gen"], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 1
    assert f"the backend is '{backend}'" in result.stderr


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_unless_it_was_switched_off(monkeypatch, before, after):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    if before is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", before)
    importlib.reload(keras_gen)
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == after


def test_no_tensor_is_made_at_import():
    """A tensor created too early breaks MultiWorkerMirroredStrategy."""
    code = (
        "import apps, pkgutil, importlib, keras_gen\n"
        "for package in (keras_gen, apps):\n"
        "    for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(m.name)\n"
        "from tensorflow.python.eager import context\n"
        "assert not context.context()._initialized, 'TensorFlow was started at import'\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


SHIPPED = FILES + sorted((ROOT / "apps").rglob("*.py"))
FROM_FILES = {"pickle", "dill", "joblib", "eval", "exec", "load_model", "enable_unsafe_deserialization"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_loads_code_from_a_file(path):
    """No pickles and no Keras files: models are built from config.json, and weights are read by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert getattr(node, "attr", getattr(node, "id", "")) not in FROM_FILES
        if isinstance(node, ast.Import):
            assert not FROM_FILES & {alias.name for alias in node.names}
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
            assert "allow_pickle=False" in ast.unparse(node)


def _documented(docstring: str) -> list[str]:
    """Names in the Args section of a docstring."""
    lines = docstring.partition("Args:\n")[2].splitlines()
    lines = lines[: next((i for i, line in enumerate(lines) if not line.strip()), len(lines))]
    indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    heads = [re.match(rf" {{{indent}}}([\w*][\w*, ]*):(?:\s|$)", line) for line in lines]
    return [name.strip(" *") for head in heads if head for name in head[1].split(",")]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_parameters_that_exist(path):
    """If a parameter is renamed, its documentation must be renamed too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and (docstring := ast.get_docstring(node)):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            unknown = set(_documented(docstring)) - {argument.arg for argument in named if argument}
            assert not unknown, f"{node.name}, line {node.lineno}"
