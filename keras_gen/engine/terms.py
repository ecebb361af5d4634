"""Descriptions of the logged terms, which TensorBoard shows beside the charts."""

from __future__ import annotations

from collections.abc import Mapping

DISTANCES: Mapping[str, str] = {"l2": "mse", "l1": "l1"}
"""Training distance -> name of its logged term; validation logs the same name, so both are in one chart."""

DESCRIPTIONS: Mapping[str, str] = {
    # Of a reconstruction or translation.
    "l1": "Mean absolute difference from the target, in units of [-1, 1].",
    "mse": "Mean squared error, in units of [-1, 1].",
    "psnr": "Peak signal-to-noise ratio [dB]; higher is better.",
    "ssim": "Structural similarity, at most 1; higher is better.",
    # Of two players.
    "generator_loss": "The generator's objective.",
    "discriminator_loss": "The discriminator's objective.",
    "real_logit": "Mean logit of real images, 0 where the discriminator is undecided.",
    "fake_logit": "Mean logit of generated images, 0 where the discriminator is undecided.",
    "real_accuracy": "Fraction of real images that the discriminator classifies as real; 0.5 is chance.",
    "fake_accuracy": "Fraction of generated images that the discriminator classifies as generated; 0.5 is chance.",
    "augmentation": "Probability of each augmentation of the discriminator's images.",
    "geometric_penalty": "How unequally different latent directions change the generated images.",
    "energy_score": "Energy score of the samples against real images; lower is better.",
    "wasserstein_estimate": "The critic's mean score of real images minus that of generated ones.",
    "gradient_penalty": "Mean squared distance of the critic's gradient norm from 1.",
    # Of latent variables.
    "negative_bound": "The training objective: reconstruction and weighted divergence [nats]; lower is better.",
    "negative_elbo": "Negative evidence lower bound [nats]; lower is better.",
    "reconstruction": "Negative log-likelihood of the images given their latent vectors [nats].",
    "kl": "KL divergence of the latent vectors from the prior [nats].",
    "total_correlation": "Dependence between the latent units [nats]; 0 if they are independent.",
}


def described(family: type, term: str) -> str:
    """The description of a term: the family's own (`descriptions`), or the common one.

    Args:
        family: class of the model.
        term: name given to `log_terms`, or the norm of a player's gradient.

    Raises:
        KeyError: if there is no description.
    """
    for base in family.__mro__:
        if term in (own := vars(base).get("descriptions", {})):
            return own[term]
    if term.endswith("_gradient_norm"):
        player = term.removesuffix("_gradient_norm").replace("_", " ")
        return f"Global norm of the gradient of the {player}, before the optimizer."
    return DESCRIPTIONS[term]
