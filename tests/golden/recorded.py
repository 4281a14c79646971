"""What the scripts of `layers` and `siamese` share: the formula of parameters and inputs, and the form of data.json."""

import json
import math

import numpy as np
import torch

# Places in the formula of the inputs and of the weights that turn an output into a scalar; parameters count from 0.
INPUT, LOSS = 1000, 2000
# At most this many entries are stored of an output, and of a parameter's gradient.
OUTPUT_ENTRIES, GRADIENT_ENTRIES = 64, 16

cases = {}


def wave(shape, place, scale=1.0, offset=0.0):
    """Entry i is offset + scale sin(0.37 i^2 + 0.7 i + 1.3 place), in float32. (Without i^2 matrices have rank 2.)"""
    i = np.arange(math.prod(shape), dtype=np.float64)
    values = offset + scale * np.sin(0.37 * i * i + 0.7 * i + 1.3 * place)
    return torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(shape)


def rounded(value):
    return float(f"{float(value):.9g}")


def record(case, name, tensor, entries=OUTPUT_ENTRIES):
    flat = tensor.detach().reshape(-1)
    stride = -(-len(flat) // entries)
    while stride > 1 and math.gcd(stride, len(flat)) > 1:  # or it would see some channels only
        stride += 1
    largest = flat.abs().max().item()
    if 1e-12 < largest < 1e-2:
        print(f"small: {case} / {name} has largest entry {largest:.1e}")
    cases.setdefault(case, {})[name] = {
        "shape": list(tensor.shape),
        "stride": stride,
        "values": [rounded(value) for value in flat[::stride]],
        "sum": rounded(flat.sum()),
        "squares": rounded(flat.square().sum()),
        "largest": rounded(largest),
    }


def write(folder):
    """Writes data.json to `folder`, one line a tensor, so that a change shows as the lines that it touches."""
    lines = []
    for case, tensors in cases.items():
        parts = [f' "{name}": {json.dumps(tensor, separators=(",", ":"))}' for name, tensor in tensors.items()]
        lines.append(f'"{case}": {{\n' + ",\n".join(parts) + "\n}")
    versions = json.dumps({"torch": torch.__version__, "numpy": np.__version__})
    header = f'"made by": "tests/golden/{folder.name}/make.py",\n"versions": {versions},\n"cases": {{\n'
    path = folder / "data.json"
    path.write_text("{\n" + header + ",\n".join(lines) + "\n}\n}\n")
    print(f"{len(cases)} cases, {path.stat().st_size} bytes")
