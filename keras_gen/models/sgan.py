"""SGAN: a classifier that learns from a few labelled images, and from telling unlabelled images from generated ones.

The discriminator has a logit l_k for each of K classes. "Generated" is one more class, with logit 0. With Z(x) = sum_k
exp l_k(x), the probability of being real is D(x) = Z / (Z + 1), the logistic function of log Z:

    discriminator:  min  -E_labelled log p(y|x)  -  w (E_unlabelled log D(x) + E_z log(1 - D(G(z))))
    generator:      min  ||E f(x) - E f(G(z))||^2,   f the features of the discriminator's last layer but one

Telling real images from generated ones requires features that also help classification, and these can be learned from
all images, labelled or not. The goal is the classifier. A generator that is too good leaves it nothing to learn; one
that only matches the mean features gives the best classifier.

With only a hundred labels, convolutions would memorise them first. A teacher prevents this: the moving average of their
own weights (`--ema`). Student and teacher should predict the same classes for an unlabelled image under different
augmentations (`--augment`, `--consistency-weight`; the preset `convolutional` sets all three). Without an average the
network is its own teacher.

    discriminator:  + w_c E_unlabelled ||p(y|a(x)) - p_teacher(y|a'(x))||^2,   a, a' two draws of the augmentation

Once the classifier is mostly right, two further terms can make its predictions confident (`--entropy-weight`, w_e) and
spread them equally over the classes (`--balance-weight`, w_b). With equal weights they maximise the mutual information
between image and predicted class:

    discriminator:  + w_e E_unlabelled H(p(y|a(x)))  +  w_b KL(E_unlabelled p(y|a(x)) || 1/K)

Salimans et al.: Improved Techniques for Training GANs, NeurIPS 2016, arXiv 1606.03498, sections 3.1 and 5. Odena:
Semi-Supervised Learning with Generative Adversarial Networks, 2016, arXiv 1606.01583 (`--objective nonsaturating`).
Tarvainen, Valpola: Mean Teachers Are Better Role Models, NeurIPS 2017, arXiv 1703.01780. Grandvalet, Bengio:
Semi-supervised Learning by Entropy Minimization, NeurIPS 2004. Krause, Perona, Gomes: Discriminative Clustering by
Regularized Information Maximization, NeurIPS 2010.

Departures from the papers: the noise in the discriminator is that of the authors' code, converted from images in [0,
1]; weight normalisation starts from the initial kernels, not from a batch of data; the generator has ReLU and noise
from N(0, 1), where the code has softplus and uniform noise; both players are updated from the same forward pass; the
teacher sees no layer noise, and its weight does not ramp up over the first epochs.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import Values
from keras_gen.export.signature import Served
from keras_gen.flags import Hidden, NonNegative, Positive
from keras_gen.layers.weight import WeightNormalization
from keras_gen.models.gan import GAN, Adversarial, DiscriminatorOutput, correctly_classified
from keras_gen.networks import gan as networks
from keras_gen.ops.adversarial import AdversarialLoss, feature_matching
from keras_gen.ops.information import imbalance, mean_entropy
from keras_gen.ops.penalties import consistency_penalty
from keras_gen.visual.views import View


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    architecture: networks.Architecture = "mlp"
    """mlp: dense layers only, as in the papers for MNIST; dcgan: convolutions (Radford et al. 2016); resnet: residual
    blocks (Gulrajani et al. 2017)."""
    hidden_units: tuple[Positive[int], ...] = (500, 500)
    """For mlp: units of the generator's layers [units]; 500, 500 in Salimans et al."""
    discriminator_hidden_units: tuple[Positive[int], ...] = (1000, 500, 250, 250, 250)
    """For mlp: units of the discriminator's layers [units]; 1000, 500, 250, 250, 250 in Salimans et al."""
    discriminator_norm: networks.AnyNorm = "none"
    """For dcgan and resnet: normalisation in the discriminator, in addition to weight normalisation."""
    input_noise: NonNegative[float] = 0.6
    """For mlp: standard deviation of Gaussian noise on the discriminator's input, in training only [in the range -1 to
    1]; 0.3 in the range 0 to 1 in Salimans et al."""
    unit_noise: NonNegative[float] = 0.5
    """For mlp: standard deviation of Gaussian noise on the outputs of the discriminator's layers [1]; 0.5 in Salimans
    et al."""
    objective: Literal["feature_matching", "nonsaturating"] = "feature_matching"
    """Loss of the generator: feature_matching is the distance between mean features (Salimans et al.); nonsaturating is
    -E log D(G(z)) (Odena)."""
    unsupervised_weight: NonNegative[float] = 0.5
    """Weight of the real-or-generated loss relative to the classification loss [1]; 0.5 in the code of Salimans et
    al."""
    consistency_weight: NonNegative[float] = 0.0
    """Weight of the squared distance between the student's class probabilities for an unlabelled image and those of the
    averaged weights, which see it with another augmentation and without noise [1] (Tarvainen and Valpola 2017); 0:
    none."""
    entropy_weight: NonNegative[float] = 0.0
    """Weight of the entropy of the predicted classes of unlabelled images [1] (Grandvalet and Bengio 2004); 0: none. It
    also reinforces wrong predictions, so use it to continue from a classifier that is mostly right (`--start-from`)."""
    balance_weight: NonNegative[float] = 0.0
    """Weight of the KL divergence between the mean predicted classes of a batch's unlabelled images and a uniform
    distribution [1] (Krause et al. 2010); 0: none. For data with about equally many images per class."""
    num_classes: Hidden[Positive[int]] = 10

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """The cross-entropy, which the discriminator minimises whatever the generator's objective."""
        return AdversarialLoss("nonsaturating", targets=(1.0 - self.label_smoothing, 0.0))

    def check_together(self) -> None:
        """Consistency needs different versions of an image, and the discriminator needs layers."""
        super().check_together()
        noisy = self.architecture == "mlp" and (self.input_noise or self.unit_noise)
        if self.consistency_weight and not (noisy or self.instance_noise or self.augment != "none"):
            raise self.fault(
                "<consistency_weight got>, which would compare images with themselves; accepted is 0 "
                "without <augment>, <instance_noise> or the noise of mlp."
            )
        if self.architecture == "mlp" and not self.discriminator_hidden_units:
            raise self.fault("<discriminator_hidden_units got> with <architecture=>; accepted are one or more numbers.")


@dataclasses.dataclass(frozen=True)
class _RealOutput(DiscriminatorOutput):
    """The discriminator's outputs for unlabelled real images.

    Attributes:
        labelled: outputs for as many labelled images.
        teacher_logits: the teacher's class logits for the unlabelled images, (batch, K); None: no teacher.
    """

    labelled: DiscriminatorOutput | None = None
    teacher_logits: tf.Tensor | None = None


class SGAN(GAN):
    """A semi-supervised GAN: its discriminator is a classifier.

    A training batch is (image, label, unlabelled image), float32 NHWC in [-1, 1] and int32;
    a validation batch is (image, label).

    Examples:
        >>> model = keras_gen.SGAN(image_size=8, latent_dim=4, hidden_units=(8,), discriminator_hidden_units=(8,))
        >>> model.classify(np.zeros((2, 8, 8, 1), np.float32)).shape
        TensorShape([2, 10])
    """

    family = "sgan"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "supervised_loss": "Cross-entropy of the classes of labelled images [nats].",
        "unsupervised_loss": "Real-or-generated loss: cross-entropy of real and generated images [nats].",
        "error": "Fraction of labelled images that are misclassified.",
        "consistency_loss": "Squared distance between the class probabilities of student and teacher.",
        "entropy": "Entropy of the predicted classes of unlabelled images [nats].",
        "imbalance": "KL divergence of the predicted class frequencies from uniform [nats].",
    }
    monitor = "error"
    tasks = ("classify", "generate")
    min_examples_per_part = 2  # matching the mean features of a single image would mean copying it
    next_commands = ("evaluate RUN", *GAN.next_commands)
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=32, hidden_units=(256, 256), discriminator_hidden_units=(256, 128, 128)),
            RunConfig(
                epochs=40,
                batch_size=50,
                learning_rate=1e-3,
                ema=0.999,
                steps_per_execution=16,
                preview_every=800,
                checkpoint_every=2400,
            ),
        ),
        # Code of Salimans et al. for MNIST: 300 epochs of 600 steps, where the learning rate decays in the last 100
        # epochs; here it decays in the second half.
        "paper": Preset(
            Config(),
            RunConfig(
                epochs=300,
                batch_size=100,
                learning_rate=3e-3,
                ema=0.9999,
                steps_per_execution=50,
                preview_every=6000,
                checkpoint_every=6000,
            ),
        ),
        # For MNIST with a hundred labels (docs/results.md).
        "convolutional": Preset(
            Config(
                architecture="dcgan",
                filters=32,
                augment="diffaugment",
                augmentations=("translation",),
                consistency_weight=3.0,
            ),
            RunConfig(
                epochs=22,
                batch_size=100,
                learning_rate=3e-3,
                ema=0.999,
                steps_per_execution=50,
                preview_every=3000,
                checkpoint_every=3000,
            ),
        ),
        "tiny": Preset(
            Config(latent_dim=4, hidden_units=(8,), discriminator_hidden_units=(12, 8)), TINY_RUN, TINY_IMAGES
        ),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=["supervised_loss", "unsupervised_loss", "error"], test=["error"])
        if config.consistency_weight:
            self.log_terms(train=["consistency_loss"])
        if config.entropy_weight:
            self.log_terms(train=["entropy"])
        if config.balance_weight:
            self.log_terms(train=["imbalance"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label, unlabelled image) in training, (image, label) in validation."""
        images, labels = super().batch_parts(training)
        labels = dataclasses.replace(labels, classes=self.config.num_classes)
        return (images, labels, dataclasses.replace(images, name="unlabelled image"))[: 3 if training else 2]

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "classes", the class logits, (batch, K), and "features"."""
        config = self.config
        if config.architecture == "mlp":
            return _discriminator(config)
        return networks.discriminator(config, {"classes": config.num_classes}, wrap=WeightNormalization)

    def discriminate(self, images: tf.Tensor, labels: tf.Tensor, training: bool = True) -> Values:
        """The class logits, and log Z, the logit of being real."""
        outputs = super().discriminate(images, labels, training)
        return outputs | {"logit": tf.reduce_logsumexp(outputs["classes"], axis=-1, keepdims=True)}

    def _forward(self, batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[_RealOutput, DiscriminatorOutput]:
        """The unlabelled and labelled images of a batch, and as many generated ones, with the discriminator's
        outputs."""
        images, labels, unlabelled = batch
        count = tf.shape(images)[0]
        no_labels = self._labels(count)
        fake_images = self.generator(self.draw_noise(count), training=True)
        # Both in one call, because every call normalises the weights.
        outputs = self.discriminate(
            self._discriminator_inputs(tf.concat([images, unlabelled], axis=0)), tf.concat([labels, no_labels], axis=0)
        )
        real = _RealOutput(
            unlabelled,
            no_labels,
            {name: value[count:] for name, value in outputs.items()},
            labelled=DiscriminatorOutput(images, labels, {name: value[:count] for name, value in outputs.items()}),
            teacher_logits=self._teacher_logits(unlabelled) if self.config.consistency_weight else None,
        )
        fake_outputs = self.discriminate(self._discriminator_inputs(fake_images), no_labels)
        return real, DiscriminatorOutput(fake_images, no_labels, fake_outputs)

    def _teacher_logits(self, images: tf.Tensor) -> tf.Tensor:
        """The teacher's class logits for images with another augmentation, without gradient."""
        return tf.stop_gradient(self.classify(self._discriminator_inputs(images)))

    def discriminator_loss(self, real: _RealOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The classification loss, the real-or-generated loss, and the losses on unlabelled images that have a
        weight."""
        config, predictions = self.config, real.outputs["classes"]
        logits, labels = real.labelled.outputs["classes"], real.labelled.labels
        supervised = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        unsupervised, _ = super().discriminator_loss(real, fake)
        terms = {
            "supervised_loss": supervised,
            "unsupervised_loss": unsupervised,
            "error": 1.0 - tf.reduce_mean(correctly_classified(logits, labels)),
        }
        loss = supervised + config.unsupervised_weight * unsupervised
        for term, weight, penalty in (
            ("consistency_loss", config.consistency_weight, partial(consistency_penalty, real.teacher_logits)),
            ("entropy", config.entropy_weight, mean_entropy),
            ("imbalance", config.balance_weight, imbalance),
        ):
            if weight:
                terms[term] = penalty(predictions)
                loss += weight * terms[term]
        return loss, terms

    def generator_loss(self, real: _RealOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The distance between mean features, or the cross-entropy."""
        if self.config.objective == "feature_matching":
            return feature_matching(real.outputs["features"], fake.outputs["features"]), {}
        return super().generator_loss(real, fake)

    def classify(self, images: tf.Tensor) -> tf.Tensor:
        """The class logits, (batch, K), from averaged weights if there are any."""
        return self.inference("discriminator")(images, training=False)["classes"]

    def validate(self, batch: tuple[tf.Tensor, ...]) -> Values:
        """As for GAN, and whether each image is misclassified, 1 or 0."""
        images, labels = batch[:2]
        error = 1.0 - correctly_classified(self.classify(images), labels)
        return super().validate((images, labels)) | {"error": error}

    def preview(self, batch: tuple[tf.Tensor, ...]) -> dict[str, View]:
        """As for GAN."""
        return super().preview(batch[:2])

    def serving(self) -> dict[str, Served]:
        """The classifier and the generator, with averaged weights if the run has them."""
        return {"classifier": self.served_classifier()} | super().serving()


def _discriminator(config: Config) -> keras.Model:
    """Dense layers with ReLU, weight normalisation and noise. Only the last layer learns the scale of its outputs.

    If the other layers did, they could make the noise ineffective by increasing their outputs.
    """
    images = keras.Input(config.shape, name="images")
    x = layers.GaussianNoise(config.input_noise)(layers.Flatten()(images))
    for units in config.discriminator_hidden_units:
        dense = layers.Dense(units, kernel_initializer="he_normal")
        features = layers.ReLU()(WeightNormalization(dense, learn_scale=False)(x))
        x = layers.GaussianNoise(config.unit_noise)(features)
    x = WeightNormalization(layers.Dense(config.num_classes, name="classes_units"))(x)
    heads = {"features": features, "classes": x}
    outputs = {name: layers.Activation("linear", dtype="float32", name=name)(y) for name, y in heads.items()}
    return keras.Model(images, outputs, name="discriminator")
