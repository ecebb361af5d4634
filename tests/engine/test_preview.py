"""Previews reach TensorBoard and the page of samples: sheets, pictures, histograms, numbers."""

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_gen.engine.callbacks import Preview
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.model import GenerativeModel
from keras_gen.visual.views import Histogram, Picture, Scalar, Sheet


class Showing(GenerativeModel):
    """A model whose preview has every kind of view."""

    family = "showing"

    def preview(self, batch):
        return {
            "samples": Sheet({"original": batch}),
            "stripes": Picture(np.stack([np.eye(5, 7, dtype=np.uint8) * 255] * 3, axis=-1), "Stripes."),
            "units/values": Histogram(batch, "Values."),
            "units/share": Scalar(tf.constant(0.25), "A share."),
        }


def test_each_kind_is_shown_as_what_it_is(tmp_path):
    progress = Progress(step=30)
    writer = tf.summary.create_file_writer(str(tmp_path))
    batch = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 4, 4, 1)
    preview = Preview(progress, batch, tmp_path / "samples", writer, every=10, end=100)
    preview.set_model(Showing(None))
    preview.draw()
    writer.close()

    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    kinds = {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in events.Tags()["tensors"]}
    assert kinds == {
        "samples": "images",
        "stripes": "images",
        "units/values": "histograms",
        "units/share": "scalars",
    }
    abouts = {tag: events.SummaryMetadata(tag).summary_description for tag in kinds}
    assert abouts == {
        "samples": "The same validation examples at every preview.",
        "stripes": "Stripes.",
        "units/values": "Values.",
        "units/share": "A share.",
    }
    assert float(tf.make_ndarray(events.Tensors("units/share")[0].tensor_proto)) == 0.25
    bins = tf.make_ndarray(events.Tensors("units/values")[0].tensor_proto)
    assert bins[:, 2].sum() == 32
    with Image.open(tmp_path / "samples" / "stripes" / "step-0000030.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture)[..., 0], np.eye(5, 7) * 255)
    page = (tmp_path / "samples" / "index.html").read_text()
    assert '{"samples": ["step-0000030.png"], "stripes": ["stripes/step-0000030.png"]}' in page


def test_views_come_at_the_first_preview_at_every_quarter_more_and_at_the_last(tmp_path):
    progress = Progress()
    writer = tf.summary.create_file_writer(str(tmp_path))
    lasts = {}

    def views(last):
        lasts[progress.step] = last
        return {"units/seen": Scalar(1.0)}

    batch = np.zeros((1, 4, 4, 1), np.float32)
    preview = Preview(progress, batch, tmp_path / "samples", writer, every=10, end=1000, views=views)
    preview.set_model(Showing(None))
    for progress.step in range(10, 1001, 10):
        preview.draw()
        preview.draw()  # what is drawn is not drawn again
    writer.close()
    steps = list(lasts)
    assert steps[:3] == [10, 20, 30]
    assert all(lasts[step] == (step == 1000) for step in steps)
    growth = np.array(steps[1:-1]) / steps[:-2]
    assert growth.max() <= 2
    assert growth[5:].min() > 1.15
    assert growth[5:].max() < 1.35
    assert sorted(path.name for path in (tmp_path / "samples").glob("*.png"))[-1] == "step-0001000.png"
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("units/seen")] == steps


def test_the_last_preview_ends_with_a_film_of_all_sheets(tmp_path):
    """The film is in the folder, on its page and in TensorBoard, with one frame per sheet in the order of steps."""
    progress = Progress()
    writer = tf.summary.create_file_writer(str(tmp_path))
    preview = Preview(progress, None, tmp_path / "samples", writer, every=10, end=30)
    model = Showing(None)
    preview.set_model(model)
    greys = {10: 40, 20: 120, 30: 200}
    for progress.step, grey in greys.items():
        preview._batch = np.full((1, 8, 8, 1), grey / 127.5 - 1, np.float32)
        preview.draw()
        assert (tmp_path / "samples" / "film.gif").exists() == (progress.step == 30)
    writer.close()

    content = (tmp_path / "samples" / "film.gif").read_bytes()
    with Image.open(tmp_path / "samples" / "film.gif") as film:
        assert film.n_frames == 3
        for number, grey in enumerate(greys.values()):
            film.seek(number)
            middle = np.asarray(film.convert("L"))[film.height // 2, film.width // 2]
            assert abs(int(middle) - grey) <= 2
    assert 'href="film.gif"' in (tmp_path / "samples" / "index.html").read_text()
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    assert events.SummaryMetadata("film").plugin_data.plugin_name == "images"
    *_, shown = tf.make_ndarray(events.Tensors("film")[0].tensor_proto)
    assert shown == content
