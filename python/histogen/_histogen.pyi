import os
from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

__all__ = ["__version__", "compare", "events", "extract", "run_folders", "sample", "set_threads", "state", "train", "write_statistics"]

_Path = str | os.PathLike[str]
_Features = tuple[bytes, npt.NDArray[np.uint8]]
_Side = npt.NDArray[np.uint8] | _Features | _Path
_Progress = Callable[..., Any] | None

class _Options(TypedDict):
    metrics: list[str]
    images: int | None
    split: str | None
    repeat: int
    settings: list[str]
    cache: _Path | None

__version__: str

def set_threads(threads: int) -> None:
    """Computes with `threads` threads from now on; results do not depend on it."""

def compare(generated: _Side, real: _Side, options: _Options) -> str: ...
def write_statistics(set: _Path, target: _Path, format: str, features: str | None, settings: list[str]) -> str: ...
def extract(images: _Side, settings: list[str], progress: _Progress) -> npt.NDArray[np.float32]: ...
def run_folders(place: _Path) -> list[os.PathLike[str]]: ...
def state(folder: _Path) -> tuple[str, int, str]: ...
def events(folder: _Path) -> list[tuple[int | None, str]]: ...
def sample(
    folder: _Path,
    n: int,
    seed: int,
    step: int | None,
    samplers: list[str],
    settings: list[str],
    progress: _Progress,
) -> npt.NDArray[np.uint8]: ...
def train(
    experiment: str,
    model: str,
    seed: int,
    profile: str,
    settings: list[str],
    out: _Path,
    progress: _Progress,
) -> os.PathLike[str]: ...
