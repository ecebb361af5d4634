"""A worker for tests/engine/test_workers.py, under MultiWorkerMirroredStrategy.

Run as a program, it answers every question of the tests in turn, because a process takes longer to start than to train:
pix2pix with SGD on fixed batches, and then a run of `apps.train_gan` for each folder.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from conformance import sgd, weights_of

from apps import train_gan
from keras_gen.data.dataset import ordered_batches
from keras_gen.engine.strategy import multiworker
from keras_gen.models.pix2pix import Config, Pix2Pix


def train(strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """The weights after eight steps of batches of four, of which each replica takes its part, and validation terms.

    Of the five validation examples one worker gets three in two batches, and the other one two in one batch.
    """
    with strategy.scope():
        keras.utils.set_random_seed(3)
        model = Pix2Pix(Config(image_size=16, levels=3, filters=4, discriminator_filters=4, patch=16, dropout=0.0))
        model.compile(sgd(model))
    rng = np.random.default_rng(0)
    pairs = tuple(rng.uniform(-1, 1, (32, 16, 16, 3)).astype(np.float32) for _ in range(2))

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        examples = tf.data.Dataset.from_tensor_slices(pairs)
        own = examples.shard(context.num_input_pipelines, context.input_pipeline_id)
        return own.batch(context.get_per_replica_batch_size(4))

    model.fit(strategy.distribute_datasets_from_function(share), epochs=1, steps_per_epoch=8, shuffle=False, verbose=0)

    def share_of_five(context: tf.distribute.InputContext) -> tf.data.Dataset:
        def load(indices: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tuple(tf.gather(one, indices) for one in pairs)

        shard = (context.input_pipeline_id, context.num_input_pipelines)
        return ordered_batches(load, lambda *batch: batch, 5, 4, shard=shard, vectorised=True)

    held_back = strategy.distribute_datasets_from_function(share_of_five)
    terms = model.evaluate(held_back, return_dict=True, verbose=0)
    return weights_of(model) | {f"validation/{name}": np.asarray(value) for name, value in terms.items()}


def main(weights: Path, flags: list[str], folders: list[str]) -> int:
    strategy = multiworker()
    trained = train(strategy)
    if strategy.cluster_resolver.task_id == 0:
        np.savez(weights, **trained)
    return max(train_gan.main([*flags, "--out", folder]) for folder in folders)


if __name__ == "__main__":
    between = sys.argv.index("--")
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:between], sys.argv[between + 1 :]))
