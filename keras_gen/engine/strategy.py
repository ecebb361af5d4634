"""How a run is spread over devices, and the settings of TensorFlow that must come before the first operation."""

from __future__ import annotations

import functools
import json
import os

import keras
import tensorflow as tf

from keras_gen.engine.config import RunConfig
from keras_gen.errors import UserError


def prepare(run: RunConfig) -> tf.distribute.Strategy:
    """Set seeds, precision and determinism, and return the strategy of `--distribute`.

    Raises:
        UserError: if TF_CONFIG is missing or unreadable, or the batch cannot be shared out among the replicas.
    """
    strategy = _strategy(run.distribute)
    replicas = strategy.num_replicas_in_sync
    if run.batch_size % replicas:
        raise UserError(
            f"--batch-size got {run.batch_size}; accepted are multiples of the {replicas} replicas of "
            f"--distribute {run.distribute}."
        )
    keras.utils.set_random_seed(run.seed)
    keras.config.set_dtype_policy(run.precision)
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def _strategy(distribute: str) -> tf.distribute.Strategy:
    if distribute == "none":
        return tf.distribute.get_strategy()
    if distribute == "mirrored":
        return mirrored()
    try:
        json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    except KeyError:
        raise UserError(
            "--distribute multiworker needs the environment variable TF_CONFIG with the addresses of the workers, "
            "which is not set or names none."
        ) from None
    except ValueError as error:
        raise UserError(f"TF_CONFIG is not JSON ({error}), which --distribute multiworker needs.") from None
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def mirrored() -> tf.distribute.MirroredStrategy:
    """Every visible GPU, or every logical CPU where there is none.

    One for the whole process: the collective operations of a second one would be taken for those of the first.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes files: the only one, or the first worker."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type in (None, "chief") or resolver.task_id == 0
