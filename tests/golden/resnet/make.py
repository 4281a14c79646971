"""Writes data.json: what torchvision's ResNet-18, 50 and 152 compute with weights by a formula, for `tests/it/resnet.rs`.

Entry i of the tensor called `name` comes from u in [-1, 1) as in ../inception/formula.py; then, in float64 and rounded to
float32,

    convolutions            u sqrt(3 / fan in)
    bn3.weight              0.15 (1 + 0.2 u)      so that 50 blocks do not add up to infinity
    other norms' weight     1 + 0.2 u
    running_var             1 + 0.5 u
    all others              0.2 u

Two images of 64 x 64, whose byte i is (37 i^2 + 11 i + i / 13 + 91 image) mod 256 (rows of pixels, channels last), normalised as
torchvision's weights were trained. Of the features before `fc` every 16th is kept. `training` is ResNet-50 in training mode with
its last 16 layers learning: all before them in evaluation mode, without gradients. Its features, running means afterwards, and
the gradient of the sum of squares of the features by the first convolution that learns. Versions stand in data.json.

    python tests/golden/resnet/make.py
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision

sys.path.insert(0, str(Path(__file__).parent.parent / "inception"))
from formula import uniform

KEPT = 16


def values(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        u *= np.sqrt(3 / np.prod(shape[1:]))
    elif name.endswith("bn3.weight"):
        u = 0.15 * (1 + 0.2 * u)
    elif name.endswith(".weight") and len(shape) == 1:
        u = 1 + 0.2 * u
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    else:
        u *= 0.2
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def images():
    i = np.arange(64 * 64 * 3, dtype=np.int64)
    base = 37 * i * i + 11 * i + i // 13
    pixels = [((base + 91 * image) % 256).astype(np.uint8).reshape(64, 64, 3) for image in range(2)]
    rgb = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    return (rgb - mean) / deviation


def network(make):
    made = make()
    state = {
        name: tensor if name.endswith("num_batches_tracked") else values(name, tuple(tensor.shape))
        for name, tensor in made.state_dict().items()
    }
    made.load_state_dict(state)
    made.fc = torch.nn.Identity()
    return made.eval()


def rounded(tensor):
    return [round(float(value), 6) for value in tensor.detach().flatten()]


def training():
    """The last 16 layers are layer4 (9), the last two blocks of layer3 (6), and conv3 of the block before them."""
    made = network(torchvision.models.resnet50)
    for parameter in made.parameters():
        parameter.requires_grad_(False)
    learning = [made.layer4, made.layer3[4], made.layer3[5], made.layer3[3].conv3, made.layer3[3].bn3]
    for part in learning:
        part.train()
        for parameter in part.parameters():
            parameter.requires_grad_(True)
    features = made(images())
    features.square().sum().backward()
    gradient = made.layer3[3].conv3.weight.grad.flatten()
    return {
        "features": [rounded(row[::KEPT]) for row in features],
        "running_mean_of_first": rounded(made.layer3[3].bn3.running_mean[:KEPT]),
        "running_variance_of_last": rounded(made.layer4[2].bn3.running_var[:KEPT]),
        "gradient": [float(f"{float(value):.6g}") for value in gradient[:: len(gradient) // KEPT][:KEPT]],
    }


def main():
    torch.manual_seed(0)
    makers = {"18": torchvision.models.resnet18, "50": torchvision.models.resnet50, "152": torchvision.models.resnet152}
    features = {}
    for depth, make in makers.items():
        with torch.no_grad():
            features[depth] = [rounded(row[::KEPT]) for row in network(make)(images())]
        flat = np.array(features[depth])
        print(depth, "mean", flat.mean(), "largest", np.abs(flat).max())
    data = {
        "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__},
        "features": features,
        "training": training(),
    }
    Path(__file__).with_name("data.json").write_text(json.dumps(data) + "\n")


main()
