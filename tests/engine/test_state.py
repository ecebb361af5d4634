"""Names of variables: layers are named by type and position, independent of what the process built before."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.state import layer_paths, slot_paths, variable_paths
from keras_gen.layers.fast.convolutions import FastConv2D
from keras_gen.layers.spectral import SpectralNormalization


def network(convolution=layers.Conv2D):
    images = keras.Input((8, 8, 1))
    x = convolution(2, 3)(images)
    x = SpectralNormalization(convolution(2, 3))(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(3, name="features")(x)
    return keras.Model(images, layers.Dense(1)(convolution(3, 1, use_bias=False)(x)))


PATHS = [
    "conv2d_0/kernel",
    "conv2d_0/bias",
    "spectral_normalization_0/v",
    "spectral_normalization_0/conv2d_0/kernel",
    "spectral_normalization_0/conv2d_0/bias",
    "dropout_0/seed_generator_state",
    "features/kernel",
    "features/bias",
    "conv2d_1/kernel",
    "dense_0/kernel",
    "dense_0/bias",
]


@pytest.mark.parametrize("convolution", [layers.Conv2D, FastConv2D])
def test_paths_do_not_depend_on_what_the_process_built_before(convolution):
    for _ in range(2):
        built = network(convolution)
        assert list(variable_paths(built)) == PATHS
        assert {id(v) for v in variable_paths(built).values()} == {id(v) for v in built.variables}
        assert list(variable_paths(keras.models.clone_model(built))) == PATHS


def test_a_path_is_of_its_variable():
    built = network()
    found = variable_paths(built)
    assert found["features/kernel"] is built.get_layer("features").kernel
    assert found["conv2d_1/kernel"].shape == (1, 1, 3, 3)
    paths = layer_paths(built)
    assert paths["features"] is built.get_layer("features")
    assert paths["spectral_normalization_0/conv2d_0"] is paths["spectral_normalization_0"].layer


def test_a_shared_layer_has_one_path():
    images = keras.Input((4,))
    dense = layers.Dense(4)
    assert list(variable_paths(keras.Model(images, dense(dense(images))))) == ["dense_0/kernel", "dense_0/bias"]


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, keras.optimizers.LossScaleOptimizer])
def test_slots_are_of_their_variables(wrap):
    """Two networks have layers with the same names, so Keras gives their optimizer slots the same names."""
    networks = {}
    for name, width in (("one", 2), ("other", 3)):
        inputs = keras.Input((4,))
        networks[name] = keras.Model(inputs, layers.Dense(width, name="output")(inputs))
    moved = {f"{name}/{path}": v for name, net in networks.items() for path, v in variable_paths(net).items()}
    optimizer = wrap(keras.optimizers.Adam())
    optimizer.build(list(moved.values()))
    found = slot_paths(optimizer, moved)
    assert {id(v) for v in found.values()} == {id(v) for v in optimizer.variables}
    slots = {f"{path}/{kind}" for path in moved for kind in ("momentum", "velocity")}
    assert slots < set(found)
    assert {"iteration", "learning_rate"} <= set(found) - slots
    for path, variable in moved.items():
        assert found[f"{path}/momentum"].shape == variable.shape


class Model(GenerativeModel):
    family = "model"
    monitor = "loss"

    def __init__(self):
        super().__init__(None)
        self.add_network("generator", network())
        self.add_player("generator", "generator")


def test_state_is_by_path():
    names = []
    for _ in range(2):
        model = Model()
        model.compile(model.make_optimizers(1e-3), ema_decay=0.5)
        names.append(list(model.state()))
    assert names[0] == names[1]
    assert {f"{owner}/generator/{path}" for path in PATHS for owner in ("network", "average")} < set(names[0])
    assert {"model/step", "optimizer/generator/iteration"} < set(names[0])
    assert "optimizer/generator/generator/features/kernel/velocity" in names[0]
    assert "mean/train/generator_gradient_norm/total" in names[0]


def test_frozen_networks_belong_to_nothing():
    """Frozen networks run in inference mode, as attributes too and for any `training` argument, so dropout does
    nothing."""
    model = Model()
    before = list(model.state())
    frozen = network()
    model.features = model.add_frozen("features", frozen)
    model.compile(model.make_optimizers(1e-3), ema_decay=0.5)
    assert {name for name in model.state() if name.startswith(("network/", "model/"))} == {
        name for name in before if not name.startswith("mean/")
    }
    own = {id(v) for v in frozen.variables}
    assert not own & {id(v) for v in model.variables}
    assert not own & {id(v) for o in model.optimizers.values() for v in o.variables}
    assert set(model.averages) == {"generator"}
    assert not frozen.trainable_variables
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(model.features(images), model.features(images))
    assert model.inference("features") is frozen
    kept = model.add_frozen("kept", network())
    model.attribute = model.frozen["kept"]
    assert not {id(v) for v in model.frozen["kept"].variables} & {id(v.value) for v in model.state().values()}
    np.testing.assert_array_equal(kept(images), kept(images))


def test_a_network_that_is_neither_trained_nor_frozen_is_an_error():
    model = Model()
    model.vgg = network()
    with pytest.raises(ValueError, match=r"model has functional.* as an attribute: use add_network or add_frozen"):
        model.state()
