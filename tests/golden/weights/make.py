"""Small weights files as PyTorch writes them, and one as safetensors does, for `tests/it/weights.rs`.

Every file holds the same two tensors: `layer.weight` [2, 3] = 0, 1, ... 5 and `layer.bias` [2] = -0.5, 0.25.
Made with Python 3.11, torch 2.15.0, safetensors 0.8.0.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

folder = Path(__file__).parent
weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
bias = torch.tensor([-0.5, 0.25])
state = OrderedDict([("layer.weight", weight), ("layer.bias", bias)])

torch.save(state, folder / "archive.pth")
torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(
    {
        "epoch": 3,
        "state_dict": state,
        "optimizer": {"state": {0: {"momentum": torch.zeros(2)}}},
    },
    folder / "nested.pth",
)
# A view into a longer storage, transposed: the numbers lie in another order in the file.
transposed = torch.cat([torch.full((1, 2), 9.0), weight.T])[1:].T
torch.save({"layer.weight": transposed, "layer.bias": bias}, folder / "transposed.pth")
torch.save({"layer.weight": weight.half(), "layer.bias": bias}, folder / "half.pth")
save_file(dict(state), folder / "plain.safetensors", metadata={"mean": "1, 2, 3"})

# What training scripts make of the same state dict.
def within(prefix, tensors):
    return OrderedDict((prefix + name, tensor) for name, tensor in tensors.items())


torch.save(within("module.", state), folder / "data_parallel.pth")
average = OrderedDict((name, tensor + 1) for name, tensor in state.items())
half = OrderedDict((name, tensor.bfloat16()) for name, tensor in state.items())
torch.save(
    {
        "epoch": 3,
        "model": within("_orig_mod.module.", half),
        "ema": {"decay": 0.999, "shadow": within("module.", average)},
    },
    folder / "training.pth",
)
