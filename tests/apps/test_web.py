"""`apps.web`: what it serves and refuses, and the page itself in headless Chromium."""

import _thread
import json
import re
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from apps import export, train_pix2pix
from apps.web import vendor as vendoring
from apps.web.__main__ import contents, exported, main
from keras_gen.data.builtin.facades import CLASSES, PALETTE
from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata, read_metadata
from keras_gen.export.signature import Served, image, label_map
from keras_gen.export.tflite import TFLiteModel, write_tflite
from keras_gen.inference.local_server import LocalServer
from keras_gen.ops.pixels import to_float, to_uint8

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "edge.md"
SIZE = 32


@pytest.fixture(scope="module")
def facades_run(tmp_path_factory):
    """A pix2pix run on the built-in facades at 32x32, trained for eight steps."""
    folder = tmp_path_factory.mktemp("facades") / "run"
    flags = {"preset": "tiny", "filters": 4, "discriminator-filters": 4, "levels": 3, "epochs": 2}
    flags |= {"steps-per-epoch": 4, "image-size": SIZE, "data": "facades", "out": folder}
    assert train_pix2pix.main([f"--{name}={value}" for name, value in flags.items()]) == 0
    return folder


@pytest.fixture(scope="module")
def model(facades_run, tmp_path_factory):
    """The .tflite that the app writes for the run."""
    return exported(facades_run, "newest", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def packages():
    """The npm packages of the page; skips the test if they cannot be downloaded."""
    try:
        return vendoring.vendor()
    except UserError as error:
        pytest.skip(str(error))


@contextmanager
def served(table):
    """The address at which the contents are served."""
    with LocalServer(table, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def fetch(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        return response.read(), response.headers


def network(channels=3, size=SIZE):
    """An untrained network whose output is far from constant."""
    keras.utils.set_random_seed(0)
    source = keras.Input((size, size, channels))
    hidden_units = keras.layers.Conv2D(8, 3, padding="same", activation="relu", kernel_initializer="orthogonal")(source)
    return keras.Model(source, keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(hidden_units))


def written(path, channels=3, classes=CLASSES, size=SIZE, batch=1, io="float"):
    """Writes a .tflite with an image or a label map as input."""
    net = network(channels, size)
    source = replace((label_map if channels > 4 else image)("source", net.input), labels=tuple(classes))
    item = Served(net, (source,), (image("generated", net.output),), "about", "translate")
    about = Metadata("net", item.inputs, item.outputs, item.task, io=io, batch=batch)
    write_tflite(item, path, io=io, batch=batch, metadata=about)
    return path


# -- without a browser ---------------------------------------------------------------------------------------------


def test_the_page_gets_the_model_its_classes_and_facades(model, tmp_path):
    with served(contents(model, tmp_path)) as url:
        page, headers = fetch(url)
        assert b"<canvas" in page
        assert headers["Content-Type"].startswith("text/html")
        assert headers["Content-Security-Policy"].startswith("default-src 'self' ")
        for name in re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', page.decode()):
            assert fetch(url + name)[0]
        about = json.loads(fetch(f"{url}model.json")[0])
        assert [entry["name"] for entry in about["classes"]] == list(CLASSES)
        assert [entry["colour"] for entry in about["classes"]] == PALETTE.tolist()
        assert (about["size"], about["io"], about["classes"][about["blank"]]["name"]) == (SIZE, "uint8", "facade")
        assert fetch(f"{url}model.tflite")[0] == model.read_bytes()
        first, second = (np.frombuffer(fetch(f"{url}facade")[0], np.uint8) for _ in range(2))
        assert first.shape == second.shape == (SIZE * SIZE,)
        assert max(first.max(), second.max()) < len(CLASSES)
        assert (first != second).any()


@pytest.mark.parametrize(
    ("path", "host", "code"),
    [("__main__.py", None, 404), ("../vendor.py", None, 404), ("vendor/", None, 404), ("", "elsewhere.example", 403)],
)
def test_nothing_else_is_served_and_to_nobody_else(model, tmp_path, path, host, code):
    with served(contents(model, tmp_path)) as url, pytest.raises(urllib.error.HTTPError) as refusal:
        fetch(url + path, **({"Host": host} if host else {}))
    refusal.value.close()
    assert refusal.value.code == code


def test_the_app_serves_until_it_is_interrupted(model, packages, capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told, ended = [], threading.Event()

    def visit():
        while not told and not ended.wait(0.05):
            with suppress(urllib.error.URLError):
                told.append(fetch(f"http://127.0.0.1:{port}/model.json")[0])
        if told:
            _thread.interrupt_main()

    visitor = threading.Thread(target=visit)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes of pytest-xdist ignore Ctrl-C
    try:
        visitor.start()
        code = main([str(model), "--port", str(port)])
    finally:
        signal.signal(signal.SIGINT, before)
        ended.set()
        visitor.join()
    assert code == 0
    assert json.loads(told[0])["size"] == SIZE
    assert f"http://127.0.0.1:{port}/" in capsys.readouterr().out


def test_a_port_that_cannot_be_had_is_named(capsys):
    with LocalServer({}, 0) as taken, pytest.raises(UserError, match=f"--port got {taken.server_port}, which is taken"):
        LocalServer({}, taken.server_port)
    assert main(["nowhere", "--port", "70000"]) == 2
    assert "--port got 70000; accepted are whole numbers from 0 to 65535." in capsys.readouterr().err


def test_runs_of_other_images_are_refused(tiny_run, facades_run, tmp_path):
    with pytest.raises(UserError, match="accepted are a run on --data facades with --direction AtoB"):
        exported(tiny_run.folder, "newest", tmp_path)
    reverse = shutil.copytree(facades_run, tmp_path / "reverse")
    config = json.loads((reverse / "config.json").read_text())
    config["data"]["direction"] = "BtoA"
    (reverse / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="reverse is not known to translate label maps of facades"):
        exported(reverse, "newest", tmp_path)
    assert export.main([str(reverse), "--out", str(tmp_path / "exports"), "--runs", "1"]) == 0
    assert read_metadata(tmp_path / "exports" / "model.tflite").inputs[0].labels == ()  # its sources are photographs


def test_files_of_other_images_are_refused(tiny_run, tmp_path):
    (tmp_path / "note.txt").write_text("note")
    (tmp_path / "broken.tflite").write_text("broken")
    cases = {
        tmp_path / "note.txt": "is neither a run folder nor a .tflite; accepted are those for label maps of facades",
        tmp_path / "gone.tflite": "gone.tflite does not exist",
        tmp_path / "broken.tflite": "cannot be run as a TFLite model",
        tiny_run.folder / "model.tflite": "not known to translate label maps of facades",
        written(tmp_path / "two.tflite", batch=2): "takes batches of 2 images of 32x32 pixels with 3 channels",
        written(tmp_path / "grey.tflite", channels=1): "takes batches of 1 images of 32x32 pixels with 1 channels",
    }
    for path, sentence in cases.items():
        with pytest.raises(UserError, match=re.escape(sentence)):
            contents(path, tmp_path)


def test_without_npm_the_page_says_what_it_needs(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vendoring.main([]) == 2
    assert capsys.readouterr().err.startswith("error: npm is not installed")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_without_a_registry_nothing_is_left_behind(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    assert vendoring.main([]) == 2
    error = capsys.readouterr().err
    assert "ECONNREFUSED" in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "keras_gen").iterdir())


# -- in the browser ------------------------------------------------------------------------------------------------


def pixels(browser, canvas):
    """The content of a canvas, (height, width, 3) uint8."""
    values = browser.evaluate(
        f"(canvas => [canvas.height, canvas.width, ...canvas.getContext('2d')"
        f".getImageData(0, 0, canvas.width, canvas.height).data])(document.querySelector('{canvas}'))"
    )
    return np.array(values[2:], np.uint8).reshape(*values[:2], 4)[..., :3]


def drawn_by_python(file, labels):
    """The output of the Python interpreter for a label map in the colours of PALETTE, uint8."""
    metadata = read_metadata(file)
    if metadata.inputs[0].is_label_map:
        ids = (labels[..., np.newaxis, :] == PALETTE).all(-1)
        return to_uint8(TFLiteModel(file)(np.where(ids, np.float32(1), np.float32(-1))[np.newaxis]))[0]
    return to_uint8(TFLiteModel(file)(to_float(labels)[np.newaxis]))[0]


def settled(browser):
    """Waits until the picture belongs to the current label map."""
    browser.wait_until("document.querySelector('#generated').ariaBusy === 'false'")


def assert_the_picture_is_the_interpreters(browser, file):
    settled(browser)
    labels = pixels(browser, "#labels")
    assert (labels[..., np.newaxis, :] == PALETTE).all(-1).any(-1).all(), "a colour that is no class"
    generated = pixels(browser, "#generated").astype(int)
    assert generated.std() > 1
    assert np.abs(generated - drawn_by_python(file, labels)).max() <= 1
    return labels


@pytest.mark.browser
def test_a_stroke_is_answered_and_undone(browser, model, packages):
    with served(contents(model, packages)) as url:
        browser.open(url)
        browser.wait_until("document.querySelector('#time').textContent")
        first = assert_the_picture_is_the_interpreters(browser, model)

        browser.click("#clear")
        blank = assert_the_picture_is_the_interpreters(browser, model)
        assert (blank == PALETTE[CLASSES.index("facade")]).all()
        browser.click(f"label:has([value='{CLASSES.index('door')}'])")
        x, y = browser.centre("#labels")
        browser.drag((x - 100, y), (x, y), (x + 100, y + 60))
        stroke = assert_the_picture_is_the_interpreters(browser, model)
        door = (stroke == PALETTE[CLASSES.index("door")]).all(-1)
        assert door.any(0).sum() > SIZE / 4  # it goes from left to right without a gap
        assert (np.diff(np.flatnonzero(door.any(0))) == 1).all()
        assert not door[[0, -1]].any()

        browser.click("[value=rectangle]")
        browser.drag((x - 150, y - 150), (x + 150, y - 100), (x - 100, y - 100))
        box = assert_the_picture_is_the_interpreters(browser, model)
        rows, columns = np.nonzero((box != stroke).any(-1))
        assert (box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == PALETTE[3]).all()

        for before in (stroke, blank, first):
            browser.press("z", 90, modifiers=2)
            np.testing.assert_array_equal(assert_the_picture_is_the_interpreters(browser, model), before)
        assert browser.evaluate("document.querySelector('#undo').disabled")
        browser.click("#random")
        browser.wait_until("!document.querySelector('#undo').disabled")
        assert (assert_the_picture_is_the_interpreters(browser, model) != first).any()
        browser.click("#undo")
        np.testing.assert_array_equal(assert_the_picture_is_the_interpreters(browser, model), first)

        requested = [address for address in browser.requested() if not address.startswith(("data:", "blob:"))]
        assert f"{url}model.tflite" in requested
        assert [address for address in requested if not address.startswith(url)] == []


@pytest.mark.browser
def test_keys_draw(browser, model, packages):
    with served(contents(model, packages)) as url:
        browser.open(url)
        browser.wait_until("document.querySelector('#time').textContent")
        browser.click("#clear")
        browser.evaluate("document.querySelector('#labels').focus()")
        for key, code in [(" ", 32), *[("ArrowRight", 39)] * 5, (" ", 32), *[("ArrowDown", 40)] * 9]:
            browser.press(key, code)
        labels = assert_the_picture_is_the_interpreters(browser, model)
        painted = (labels == PALETTE[CLASSES.index("window")]).all(-1)
        assert painted.any(0).sum() == painted.any(1).sum() + 5


@pytest.mark.browser
@pytest.mark.parametrize(("channels", "io"), [(3, "float"), (len(CLASSES), "uint8"), (len(CLASSES), "float")])
def test_files_of_colours_and_of_ids_in_floats_and_levels(browser, packages, tmp_path, channels, io):
    file = written(tmp_path / "model.tflite", channels, io=io)
    with served(contents(file, packages)) as url:
        browser.open(url)
        browser.wait_until("document.querySelector('#time').textContent")
        assert_the_picture_is_the_interpreters(browser, file)


@pytest.mark.browser
def test_a_model_that_cannot_be_loaded_is_said_in_words(browser, model, packages):
    with served(contents(model, packages) | {"/model.tflite": b"broken"}) as url:
        browser.open(url)
        browser.wait_until("document.querySelector('#status').className === 'failed'")
        assert "The model cannot be loaded" in browser.evaluate("document.querySelector('#status').textContent")
        before = pixels(browser, "#labels")
        x, y = browser.centre("#labels")
        browser.drag((x - 100, y), (x + 100, y))
        assert (pixels(browser, "#labels") != before).any()  # drawing works


@pytest.mark.browser
def test_the_program_of_the_document_draws_what_the_interpreter_draws(browser, model, packages, tmp_path):
    (program,) = re.findall(r"```html\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    libraries = {f"/node_modules/{path.relative_to(packages).as_posix()}": path for path in packages.rglob("*.*")}
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    with served(libraries | {"/": program.encode(), f"/{model.name}": model}) as url:
        browser.open(url)
        browser.wait_until("document.querySelector('canvas').width === 32")
        root = browser.call("DOM.getDocument")["root"]["nodeId"]
        chooser = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        browser.call("DOM.setFileInputFiles", nodeId=chooser, files=[str(tmp_path / "picture.png")])
        browser.wait_until("document.querySelector('#time').textContent")
        generated = pixels(browser, "canvas").astype(int)
    assert generated.std() > 1
    assert np.abs(generated - drawn_by_python(model, picture)).max() <= 1
