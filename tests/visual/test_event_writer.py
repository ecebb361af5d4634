import resource

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_gen.visual.event_writer import EventWriter, write_scalars


def log(writer):
    with writer.as_default(step=3):
        for _ in range(100):
            tf.summary.text("term", 1000 * "a")


def test_a_writer_that_cannot_write_is_not_left_as_the_default(tmp_path):
    """With TensorFlow's own `as_default` it stays the default, and all later logging in the process fails.

    Its OutOfRangeError would end an epoch of Keras' `fit` like the end of the data.
    """
    writer = EventWriter(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*events.out.tfevents"):
            log(writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not tf.summary.should_record_summaries()
    assert tf.summary.experimental.get_step() is None
    writer.flush()  # closed, without another error


def test_an_error_of_the_caller_goes_through(tmp_path):
    writer = EventWriter(tmp_path)
    with pytest.raises(KeyError), writer.as_default():
        raise KeyError
    assert not tf.summary.should_record_summaries()
    with writer.as_default(step=1):
        assert tf.summary.scalar("loss", 1.0)
    writer.close()


def test_scalars_of_one_step_are_logged_as_tensorflow_logs_them(tmp_path):
    """TensorBoard reads the same values, steps, descriptions and plugin."""
    values, descriptions = {"a": 0.1, "b/c": float("nan")}, {"a": "The **first**."}
    folders = [tmp_path / "ours", tmp_path / "tensorflow"]
    for folder in folders:
        writer = EventWriter(folder)
        with writer.as_default():
            if folder.name == "ours":
                write_scalars(values, 7, descriptions)
                write_scalars(values, 8)
            else:
                for step in (7, 8):
                    for tag, value in values.items():
                        tf.summary.scalar(tag, value, step, descriptions.get(tag) if step == 7 else None)
        writer.close()
    ours, tensorflows = (EventAccumulator(str(folder)).Reload() for folder in folders)
    assert ours.Tags() == tensorflows.Tags()
    for tag in values:
        assert ours.SummaryMetadata(tag) == tensorflows.SummaryMetadata(tag)
        read = [
            [(e.step, tf.make_ndarray(e.tensor_proto).tobytes()) for e in one.Tensors(tag)]
            for one in (ours, tensorflows)
        ]
        assert read[0] == read[1]
