import resource

import pytest
import tensorflow as tf

from keras_gen.visual.event_writer import EventWriter


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
