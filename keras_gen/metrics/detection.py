"""Detection of anomalies by a score: the area under the receiver operating characteristic (AUROC).

It is the probability that an anomaly scores higher than a normal example, ties counting half: 1 is perfect, 0.5 chance.
No threshold enters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALL = "all"


def aurocs(labels: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    """AUROC of all anomalies and of each kind, against all normal examples.

    Args:
        labels: "" for a normal example, else the kind of anomaly.
        scores: (n,), higher for what looks less normal.

    Returns:
        ALL, then each kind in order of name -> [0, 1]; nothing unless there are both normal examples and anomalies.
    """
    from sklearn.metrics import roc_auc_score  # takes a second to import

    labels, scores = np.asarray(labels), np.asarray(scores)
    normal = labels == ""
    kinds = {ALL: ~normal, **{str(kind): labels == kind for kind in np.unique(labels[~normal])}}
    return {
        name: float(roc_auc_score(chosen[chosen | normal], scores[chosen | normal]))
        for name, chosen in kinds.items()
        if chosen.any() and normal.any()
    }
