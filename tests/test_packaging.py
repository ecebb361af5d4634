"""An installed wheel has one package and one command, and works beside a project with its own `apps`."""

import configparser
import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BUILT_FROM = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "keras_gen", "apps")
pytest.importorskip("setuptools")


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *map(str, words)], check=True, capture_output=True)


def copied(folder):
    """The sources for building a distribution, in a copy, because the build writes files there."""
    for name in BUILT_FROM:
        place, ignored = folder / name, shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place, ignore=ignored) if (ROOT / name).is_dir() else shutil.copy(
            ROOT / name, place
        )
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source, out = copied(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs the installed `keras-gen` in the folder of a project with its own `apps`."""
    site, project = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("project")
    pip("install", "--no-deps", "--target", site, wheel)
    (project / "apps").mkdir()
    (project / "apps" / "__init__.py").write_text("raise ImportError('this is the apps of another project')\n")
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        (project / "pictures").mkdir(exist_ok=True)
        Image.fromarray(picture).save(project / "pictures" / f"{number}.png")
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{project}"}

    def keras_gen(*words):
        command = [sys.executable, site / "bin" / "keras-gen", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=project, env=environment)

    return keras_gen


def test_a_wheel_holds_one_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (email.message_from_bytes(archive.read(n)) for n in names if n.endswith(".dist-info/METADATA"))
    assert {re.sub(r"-.*", "", name.split("/")[0]) for name in names} == {"keras_gen"}
    for file in ("translate.py", "web/__main__.py", "web/index.html", "web/page.js", "web/package-lock.json"):
        assert f"keras_gen/apps/{file}" in names
    assert [name for name in names if name.startswith("keras_gen/pages/templates/")]
    heads = "keras_gen/data/builtin/heads"
    assert {f"{heads}/model.npz", f"{heads}/LICENSE-ICT-FaceKit"} <= set(names)
    # Built from a folder without a public address: no picture and no link that leads nowhere.
    assert "# keras_gen" in metadata.get_payload()
    assert not re.search(r"\]\((?!https?:)", metadata.get_payload())
    assert metadata.get_all("Project-URL") is None


def test_the_index_shows_pictures_where_the_repository_has_an_address(tmp_path):
    copied(tmp_path)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@git.example:house/keras_gen.git"], check=True)
    subprocess.run([sys.executable, "setup.py", "--quiet", "egg_info"], cwd=tmp_path, check=True, capture_output=True)
    metadata = email.message_from_string((tmp_path / "keras_gen.egg-info" / "PKG-INFO").read_text(encoding="utf-8"))
    home = "https://git.example/house/keras_gen"
    assert metadata["Project-URL"] == f"Source, {home}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", readme)
    assert pictures
    for place in pictures:
        assert (ROOT / place).is_file()
        assert f"]({home}/raw/HEAD/{place})" in metadata.get_payload()
    assert f"[docs/data.md]({home}/blob/HEAD/docs/data.md)" in metadata.get_payload()


def test_the_command_lists_the_apps_with_a_sentence_each(run):
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for name in (path.stem for path in (ROOT / "apps").glob("[a-z]*.py")):
        assert re.search(rf"^  {name} +[A-Z]\w+ ", result.stdout, re.MULTILINE), name
    unknown = run("train_va")
    assert unknown.returncode == 2
    assert (
        unknown.stderr
        == "error: there is no command 'train_va'; keras-gen --help lists them; did you mean train_vae?\n"
    )


def test_a_command_does_what_the_app_of_a_checkout_does(run):
    shown = run("train_pix2pix", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\nusage: keras-gen train_pix2pix [FLAGS]\n" in shown.stdout
    checked = run("check_data", "pictures", "--kind", "images")
    assert checked.returncode in (0, 1), checked.stderr
    assert "data_check/index.html" in checked.stdout + checked.stderr
    refused = run("train_vae", "--epochs", "many")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")


def test_a_shell_completes_commands_and_flags(run):
    result = run("--tyro-print-completion", "bash")
    assert (result.returncode, result.stderr) == (0, "")
    for word in ("train_wgan_gp", "detect_anomalies", "--n-critic", "--quantile"):
        assert word in result.stdout


def test_the_citation_has_the_version_and_the_licence():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {config['metadata']['version']}" in lines
    assert f"license: {config['metadata']['license']}" in lines
