"""What the tests share: arrays, and the program that came with the wheel or was built beside."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "tests/golden/inception"


@pytest.fixture(scope="session")
def images():
    """Two sets of 96 images of 16 x 16, smooth enough that their features differ."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2, 96, 4, 4, 3))
    coarse[1] = coarse[1] // 2 + 64
    return np.repeat(np.repeat(coarse, 4, axis=2), 4, axis=3).astype(np.uint8)


@pytest.fixture(scope="session")
def features():
    """Two sets of 400 x 8 features."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 400, 8)) * [[[1.0]], [[1.5]]] + [[[0.0]], [[0.5]]]


@pytest.fixture(scope="session")
def inception(tmp_path_factory):
    """Weights of the FID Inception-v3 by the formula of the golden files, as safetensors."""
    sys.path.insert(0, str(GOLDEN))
    import formula

    header, place, arrays = {}, 0, formula.weights()
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps(header).encode()
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(array.tobytes() for array in arrays.values())
    return path


@pytest.fixture(scope="session")
def program():
    """Runs `histogen` and returns what it prints as JSON."""
    beside = Path(sys.executable).parent / "histogen"
    found = os.environ.get("HISTOGEN") or (str(beside) if beside.exists() else shutil.which("histogen"))
    if found is None:
        pytest.fail("no program `histogen`: install the wheel that `just wheel` makes, or name one in HISTOGEN")

    def run(*arguments):
        done = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    return run
