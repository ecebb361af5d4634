"""Distribution over devices, and settings of TensorFlow that must be made before the first operation."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_gen.console import command
from keras_gen.engine.config import RunConfig
from keras_gen.errors import UserError

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError)
"""Exceptions that collective operations raise on the remaining workers when one is lost."""


def prepare(run: RunConfig) -> tf.distribute.Strategy:
    """Sets seeds, precision and determinism, and returns the strategy of `--distribute`.

    Raises:
        UserError: if TF_CONFIG is missing or cannot be read, or the batch size is not divisible by the number of
            replicas times `--accumulate`.
    """
    strategy = _strategy(run)
    replicas = strategy.num_replicas_in_sync
    if run.batch_size % (replicas * run.accumulate):
        parts = f"{replicas} replica{'s' * (replicas > 1)}"
        parts += f" times --accumulate {run.accumulate}" if run.accumulate > 1 else f" of --distribute {run.distribute}"
        raise UserError(f"--batch-size got {run.batch_size}; accepted are multiples of the {parts}.")
    keras.utils.set_random_seed(run.seed)
    keras.config.set_dtype_policy(run.precision)
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def _strategy(run: RunConfig) -> tf.distribute.Strategy:
    if run.distribute == "none":
        return tf.distribute.get_strategy()
    if run.distribute == "mirrored":
        return mirrored(run.cpu_replicas)
    try:
        json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    except (KeyError, TypeError):
        raise UserError(
            "--distribute multiworker needs the environment variable TF_CONFIG with the addresses of the workers; it "
            f"is not set or names no workers. {command('launch')} sets it for processes on one machine."
        ) from None
    except ValueError as error:
        raise UserError(f"--distribute multiworker needs TF_CONFIG in JSON format, and it is not ({error}).") from None
    return multiworker()


@functools.cache
def multiworker() -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy for the workers of TF_CONFIG: one for the whole process, as `_mirrored`."""
    return tf.distribute.MultiWorkerMirroredStrategy()


def mirrored(cpus: int = 0) -> tf.distribute.MirroredStrategy:
    """The strategy for all visible GPUs, or for a number of logical CPUs.

    Args:
        cpus: number of logical CPUs; 0: the GPUs, or one CPU if there are none.

    Raises:
        UserError: if TensorFlow already runs with fewer logical CPUs.
    """
    if cpus:
        processor = tf.config.list_physical_devices("CPU")[0]
        if not tf.config.get_logical_device_configuration(processor):
            with contextlib.suppress(RuntimeError):  # TensorFlow runs already; its devices are counted below
                settings = [tf.config.LogicalDeviceConfiguration()] * cpus
                tf.config.set_logical_device_configuration(processor, settings)
    devices = tf.config.list_logical_devices("CPU" if cpus else "GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < cpus:
        raise UserError(f"--cpu-replicas got {cpus}, but TensorFlow already runs with {len(devices)}.")
    return _mirrored(tuple(device.name for device in devices[: cpus or None]))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """One strategy for the whole process, because a second one would reuse the collective keys of the first."""
    return tf.distribute.MirroredStrategy(devices)


def devices(strategy: tf.distribute.Strategy) -> str:
    """The devices of this process in words: "CPU (2 cores)", "2 GPUs (NVIDIA A100-SXM4-40GB)"."""
    replicas, found = strategy.num_replicas_in_sync, tf.config.list_physical_devices("GPU")
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        on_gpus = "GPU" in strategy.extended.worker_devices[0]
        found = found[:replicas] if on_gpus else []
    else:
        found = found[:1]  # one for each worker
    names = dict.fromkeys(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    what = f"{len(found)} GPU{'s' * (len(found) > 1)} ({', '.join(names)})" if found else f"CPU ({cores} cores)"
    return f"{replicas} replicas on {what}" if replicas > 1 else what


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether the strategy uses several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def any_worker(strategy: tf.distribute.Strategy, here: bool) -> bool:
    """Whether `here` is true in any process. All processes must call this at the same point."""
    if not several_workers(strategy):
        return here
    return bool(_sum_over_workers(strategy)(tf.constant(float(here))) > 0)


@functools.cache
def _sum_over_workers(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function
    def total(here: tf.Tensor) -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(lambda value: value, args=(here,)), axis=None)

    return total


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files: the only one, the chief in TF_CONFIG, or else worker 0."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type in (None, "chief"):
        return True
    return resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
