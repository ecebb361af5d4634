"""Anomaly detection: the area under the receiver operating characteristic (AUROC) of a score.

The AUROC is the probability that an anomaly has a higher score than a normal example, where ties count half. 1 is
perfect, 0.5 is chance level. It does not depend on a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALL = "all"
"""Key of all anomalies together in the result of `aurocs`."""


def aurocs(labels: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    """AUROC of all anomalies together and of each kind, against all normal examples.

    Args:
        labels: "" for a normal example, otherwise the kind of anomaly; n of them.
        scores: anomaly scores, (n,).

    Returns:
        Values in [0, 1] for `ALL` and for each kind, sorted by name. Empty without normal examples or anomalies.

    Examples:
        >>> aurocs(["", "", "spike", "drift"], np.array([0.1, 0.3, 0.9, 0.2]))
        {'all': 0.75, 'drift': 0.5, 'spike': 1.0}
    """
    from sklearn.metrics import roc_auc_score  # imported here because it takes a second

    labels, scores = np.asarray(labels), np.asarray(scores)
    normal = labels == ""
    kinds = {ALL: ~normal, **{str(kind): labels == kind for kind in np.unique(labels[~normal])}}
    return {
        name: float(roc_auc_score(chosen[chosen | normal], scores[chosen | normal]))
        for name, chosen in kinds.items()
        if chosen.any() and normal.any()
    }
