"""Float and integer images."""

import numpy as np

from keras_gen.ops.pixels import to_float, to_uint8


def test_floats_span_the_range_and_come_back():
    every = np.arange(256, dtype=np.uint8)
    floats = to_float(every)
    assert (floats[0], floats[-1], floats.dtype) == (-1, 1, np.float32)
    np.testing.assert_array_equal(to_uint8(floats), every)
    np.testing.assert_array_equal(to_uint8(np.array([-9.0, -1.0, 1.0, 9.0])), [0, 0, 255, 255])
    assert to_float(np.array([65535], np.uint16)) == 1
