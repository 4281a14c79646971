"""What users give, brought to what the native part takes: nothing is guessed, nothing is converted silently."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from histogen._runs import Run

#: A set of images: an array (images x height x width x channels, or without channels), anything that becomes one, a run, or the
#: path of a run, a patch store, a folder of images or a file of features; or features, an array of images x features.
Set = Any

#: Contiguous bytes, images x height x width x channels.
Images = npt.NDArray[np.uint8]

#: The header of a ``.npy`` file, and its numbers.
Features = tuple[bytes, npt.NDArray[np.uint8]]


def settings(values: Mapping[str, object] | None) -> list[str]:
    """``{"optimiser.beta1": 0.5}`` as the ``KEY=VALUE`` of ``--set``."""
    return [f"{key}={toml(key, value)}" for key, value in (values or {}).items()]


def toml(key: str, value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, os.PathLike):
        return json.dumps(os.fspath(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(key, entry) for entry in value) + "]"
    raise TypeError(f"the setting `{key}` cannot be of the type {type(value).__name__}: give a number, text, a truth value or a list")


def path_of(given: object) -> Path | None:
    """The path that ``given`` is, if it is one."""
    if isinstance(given, Run):
        return given.path
    return Path(given) if isinstance(given, str | os.PathLike) else None


def array_of(given: object, what: str) -> npt.NDArray[Any]:
    """The array that ``given`` is, without a copy where there can be none."""
    if not hasattr(given, "__array__") and hasattr(given, "__dlpack__"):
        return np.from_dlpack(cast(Any, given))
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{what} are no array: {error}\nhint: give images of one size") from None
    if array.dtype == object:
        raise ValueError(f"{what} are an array of objects, not of numbers\nhint: give images of one size as one array of bytes")
    return array


def images_of(array: npt.NDArray[Any], what: str, value_range: tuple[float, float] | None) -> npt.NDArray[np.uint8]:
    """Images as contiguous bytes, images x height x width x channels."""
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4:
        raise ValueError(
            f"{what} have {array.ndim} dimensions, {list(array.shape)}\n"
            "hint: give images x height x width x 3, or features as images x features"
        )
    count, height, width, channels = array.shape
    if channels not in (1, 3):
        first = height in (1, 3)
        hint = "bring the channels last: array.transpose(0, 2, 3, 1)" if first else "give RGB (3) or grey (1)"
        raise ValueError(f"{what} have {channels} channels, {list(array.shape)}\nhint: {hint}")
    if height != width:
        raise ValueError(f"{what} are {height} x {width} pixels\nhint: give square images; nothing is cut or resized silently")
    if count == 0 or height == 0:
        raise ValueError(f"{what} hold no pixels, {list(array.shape)}\nhint: give at least one image")
    if array.dtype != np.uint8:
        array = _quantised(array, what, value_range)
    elif value_range not in (None, (0, 255)):
        raise ValueError(f"{what} are bytes, whose range is 0 to 255, not {value_range}\nhint: leave `value_range` out")
    return np.ascontiguousarray(array)


def _quantised(array: npt.NDArray[Any], what: str, value_range: tuple[float, float] | None) -> npt.NDArray[np.uint8]:
    """The nearest bytes, as the program quantises what a network made: floor(127.5 x + 128) of x in [-1, 1]."""
    if value_range is None:
        raise ValueError(
            f"{what} are {array.dtype}, and their range is not said\n"
            "hint: give bytes (uint8), or say `value_range=(-1, 1)`, `(0, 1)` or `(0, 255)`"
        )
    low, high = value_range
    if not low < high:
        raise ValueError(f"`value_range` is {value_range}\nhint: give the darkest value, then the brightest")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} hold values that are not finite\nhint: look at what made them")
    if array.min() < low or array.max() > high:
        raise ValueError(
            f"{what} reach from {array.min():g} to {array.max():g}, beyond {low:g} to {high:g}\nhint: say the right `value_range`"
        )
    seen = (array.astype(np.float64) - low) / (high - low) * 2 - 1
    return np.clip(np.floor(127.5 * seen + 128), 0, 255).astype(np.uint8)


def features_of(array: npt.NDArray[Any], what: str) -> Features:
    """Features as the file that ``numpy.save`` would write, in 32 or 64 bits: its header, and its numbers where they lie."""
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{what} are {array.dtype}, no features\nhint: give numbers")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return header.getvalue(), array.reshape(-1).view(np.uint8)
