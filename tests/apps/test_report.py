"""`apps.report` and the pages of a run: they link to each other, show the logs, and name damaged runs."""

import json
import os
import shutil

import pytest
from html_pages import read_page

from apps.report import main
from keras_gen.engine.event_files import VALIDATION, scalars

NOT_UTF8 = os.fsdecode(b"\xff")


def run(*arguments):
    return main([str(argument) for argument in arguments])


def changed(folder, **sections):
    """Change fields of config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name, value in sections.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(config))


def test_the_pages_of_a_run_lead_to_each_other(tiny_run):
    """Training itself writes the page."""
    overview = read_page(tiny_run.folder / "index.html")
    assert {"samples/index.html", "config.json", "report.json"} <= set(overview.addresses)
    samples = read_page(tiny_run.folder / "samples" / "index.html")
    assert {"../index.html", "../config.json"} <= set(samples.addresses)


def test_the_page_of_a_run_shows_its_curves_figures_and_configuration(tiny_run, tmp_path, capsys):
    folder = shutil.copytree(tiny_run.folder, tmp_path / "run")
    assert run(folder) == 0
    assert capsys.readouterr().out.strip() == f"{folder / 'index.html'} shows the run"
    shown = read_page(folder / "index.html")
    validated = scalars(folder / VALIDATION, "epoch/")
    terms = {tag.removeprefix("epoch/") for tag in (*scalars(folder, "epoch/"), *validated)}
    assert {term.replace("_", " ") for term in terms} <= set(shown.texts)
    assert shown.tags.count("svg") == len(terms)
    (value,) = [text for text in shown.texts if text.startswith("l1 ")][-1:]
    assert f"l1 {validated['epoch/l1'].points[-1][1]:.4g}" in value
    files = json.loads((folder / "report.json").read_text())["export"]["generator"]["files"]
    assert set(files) <= set(shown.texts)
    assert "model.filters" in shown.texts
    assert "Mean absolute difference from the target, in units of [-1, 1]." in shown.texts


def test_runs_are_compared_whatever_state_they_are_in(tiny_run, tmp_path, capsys):
    runs = tmp_path / "runs"
    for name in ("one", "other", "unfinished", "bare", "vae/of another family", "broken", "strange", NOT_UTF8):
        shutil.copytree(tiny_run.folder, runs / name)
    changed(runs / "other", model={"l1_weight": 12.5})
    changed(runs / "vae" / "of another family", family="vae")
    (runs / "unfinished" / "report.json").unlink()
    for path in (runs / "unfinished").rglob("events.out.*"):
        path.write_bytes(path.read_bytes()[:-50])
    for path in list((runs / "bare").iterdir()):  # stopped before anything was logged
        if path.name != "config.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (runs / "broken" / "config.json").write_text('{"family": ')
    (runs / "strange" / "report.json").write_text('{"export": [1]}')
    (runs / "no run").mkdir()

    assert run(runs, "--out", tmp_path / "page" / "compared.html") == 0
    said = capsys.readouterr().out
    assert f"Left out: {runs / 'broken' / 'config.json'} cannot be read as JSON" in said
    assert f"Left out: {runs / 'strange'} holds a config.json or report.json that no run wrote" in said
    assert said.strip().endswith(f"{tmp_path / 'page' / 'compared.html'} compares 5 runs")
    assert "\\xff is not UTF-8" in said
    shown = read_page(tmp_path / "page" / "compared.html")
    assert [text for text in shown.texts if text in ("pix2pix", "vae")] == ["pix2pix", "vae"]
    assert {"one", "other", "unfinished", "bare", "vae/of another family", "12.5"} <= set(shown.texts)
    assert any(text.startswith("unfinished, ") and not text.startswith("unfinished, 0") for text in shown.texts)
    assert "unfinished, 0 steps logged" in shown.texts
    assert sum(address.startswith("data:image/png") for address in shown.addresses) == 4  # a sheet of each but the bare
    assert "../runs/one/index.html" in shown.addresses
    assert {"model.l1_weight", "model.tflite"} <= set(shown.texts)
    assert "model.filters" not in shown.texts  # the same in all


def test_what_is_no_folder_of_runs_is_refused(tiny_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "all" / "broken").mkdir(parents=True)
    (tmp_path / "all" / "broken" / "config.json").write_text("[]")
    for arguments, sentence in (
        ((tmp_path / "empty",), f"FOLDER got {tmp_path / 'empty'}, which holds no run; accepted are a run folder"),
        ((tmp_path / "nowhere",), "which is not a folder"),
        ((tmp_path / "all",), "of which no run can be read"),
        ((tiny_run.folder, "--out", tmp_path / "a.html"), "is one run, whose page is index.html in it"),
    ):
        assert run(*arguments) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "empty" / "index.html").exists()


@pytest.mark.parametrize("name", ["a b&c", "100%", "ü#1"])
def test_links_hold_whatever_a_run_is_called(tiny_run, tmp_path, name):
    shutil.copytree(tiny_run.folder, tmp_path / "runs" / name)
    assert run(tmp_path / "runs") == 0
    read_page(tmp_path / "runs" / "index.html")
