"""Writes data.json: scores of made-up predictions by scikit-learn and torchmetrics, for `src/classifier/scores/tests.rs`.

Two cases: 2 classes and 3. The expected calibration error is torchmetrics' (norm l1, 15 bins), everything else scikit-learn's; its
Brier score of two classes is half of the sum over classes, which is asked for with scale_by_half=False. Versions stand in
data.json.

    python tests/golden/classification/make.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
import sklearn.metrics as metrics
import torch
import torchmetrics
from torchmetrics.functional.classification import multiclass_calibration_error


def case(classes, count, sharpness, seed):
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), random.choice(classes, count - classes, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))])
    logits = random.normal(size=(count, classes)) + sharpness * np.eye(classes)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probabilities = np.round(probabilities, 3)
    probabilities[:, 0] = np.round(1 - probabilities[:, 1:].sum(1), 3)
    taken = probabilities.argmax(1)
    auc = metrics.roc_auc_score(truth, probabilities[:, 1]) if classes == 2 else metrics.roc_auc_score(
        truth, probabilities, multi_class="ovr", average="macro")
    return {
        "classes": classes,
        "truth": truth.tolist(),
        "probabilities": probabilities.flatten().tolist(),
        "accuracy": metrics.accuracy_score(truth, taken),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, taken),
        "by_class": metrics.recall_score(truth, taken, average=None).tolist(),
        "confusion": metrics.confusion_matrix(truth, taken).tolist(),
        "auc": auc,
        "brier": metrics.brier_score_loss(truth, probabilities, scale_by_half=False, labels=list(range(classes))),
        "calibration_error": float(multiclass_calibration_error(
            torch.from_numpy(probabilities), torch.from_numpy(truth), classes, n_bins=15, norm="l1")),
    }


def main():
    data = {
        "versions": {"scikit-learn": sklearn.__version__, "torchmetrics": torchmetrics.__version__, "numpy": np.__version__},
        "cases": [case(2, 120, 1.0, 1), case(3, 90, 0.7, 2)],
    }
    Path(__file__).with_name("data.json").write_text(json.dumps(data) + "\n")


main()
