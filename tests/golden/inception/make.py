"""Writes shapes.json, the tensors of torch-fidelity's Inception-v3, and data.json, what it computes with the weights of formula.py,
for `tests/it/inception.rs` and `python/tests/test_inception.py`.

Two images of 64 x 64, whose byte i is (37 i^2 + 11 i + i / 13 + 91 image) mod 256 (rows of pixels, channels last). Of
every stage 16 activations are kept, all 2048 features, and the first 16 logits. Versions stand in data.json.

    python tests/golden/inception/make.py
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch_fidelity
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

import formula

STAGES = (
    "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 MaxPool_1 Conv2d_3b_1x1 Conv2d_4a_3x3 MaxPool_2 Mixed_5b Mixed_5c "
    "Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c"
).split()


def images():
    i = np.arange(64 * 64 * 3, dtype=np.int64)
    base = 37 * i * i + 11 * i + i // 13
    pixels = [((base + 91 * image) % 256).astype(np.uint8).reshape(64, 64, 3) for image in range(2)]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def write_shapes(folder):
    class Shapes(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict, *rest):
            return None

    # The constructor needs a file already.
    empty = folder / "empty.pth"
    torch.save({}, empty)
    state = Shapes("shapes", ["2048"], feature_extractor_weights_path=str(empty)).state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    lines = ",\n".join(f"{json.dumps(name)}: {shape}" for name, shape in shapes.items())
    Path(__file__).with_name("shapes.json").write_text(f"{{\n{lines}\n}}\n")


def run(path):
    network = FeatureExtractorInceptionV3("inception", ["2048", "logits"], str(path))
    stages = {}
    for name in STAGES:
        layer = getattr(network, name)
        layer.register_forward_hook(lambda _, __, output, name=name: stages.update({name: output}))
    with torch.no_grad():
        features, logits = network(images())
    return features, logits, stages


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_shapes(Path(folder))
        path = Path(folder) / "weights.pth"
        formula.write(path)
        features, logits, stages = run(path)
    rounded = lambda tensor: [round(float(value), 6) for value in tensor.flatten()]
    activations = {}
    for name, maps in stages.items():
        stride = maps.numel() // 16
        activations[name] = {
            "shape": list(maps.shape),
            "stride": stride,
            "values": rounded(maps.flatten()[::stride][:16]),
        }
    data = {
        "versions": {
            "torch": torch.__version__,
            "torch-fidelity": torch_fidelity.__version__,
            "numpy": np.__version__,
        },
        "stages": activations,
        "features": [rounded(row) for row in features],
        "logits": [rounded(row[:16]) for row in logits],
    }
    Path(__file__).with_name("data.json").write_text(json.dumps(data) + "\n")


main()
