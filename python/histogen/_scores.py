"""Scores of generated against real images, each with the protocol it was measured under."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from histogen import _histogen
from histogen._inputs import Features, Images, Set, array_of, features_of, images_of, path_of, settings

if TYPE_CHECKING:
    from typing_extensions import Unpack


class HistogenWarning(UserWarning):
    """What a reader must know before quoting a number."""


@dataclass(frozen=True)
class Score:
    """A number, and how it was measured; ``float(score)`` is the number.

    Attributes
    ----------
    name : str
        Which score.
    value : float or None
        The number; none where it could not be measured.
    spread : float or None
        Its spread, where it has one; ``spread_of`` says of what.
    interval : tuple of float or None
        An interval, where one was asked for; ``interval_of`` says which.
    warning : str
        What a reader must know before quoting it.
    failure : str
        Why there is no number.
    protocol_id : str
        Two numbers may be compared where this is equal.
    protocol : mapping
        How it was measured.
    """

    name: str
    value: float | None
    spread: float | None
    spread_of: str
    interval: tuple[float, float] | None
    interval_of: str
    warning: str
    failure: str
    protocol_id: str
    protocol: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Score:
        """The score of a ledger's record, or of ``histogen evaluate --json``."""
        interval = record.get("interval")
        return cls(
            name=record["name"],
            value=record["value"],
            spread=record.get("spread"),
            spread_of=record.get("spread_of", ""),
            interval=(interval[0], interval[1]) if interval else None,
            interval_of=record.get("interval_of", ""),
            warning=record.get("warning", ""),
            failure=record.get("failure") or record.get("absent", ""),
            protocol_id=record["protocol_id"],
            protocol=record["protocol"],
        )

    def __float__(self) -> float:
        if self.value is None:
            raise ValueError(f"there is no {self.name}: {self.failure}")
        return self.value

    def _beside(self) -> list[str]:
        parts = []
        if self.spread is not None:
            parts.append(f"{self.spread_of} {self.spread:.6g}")
        if self.interval is not None:
            parts.append(f"{self.interval[0]:.6g} to {self.interval[1]:.6g}: {self.interval_of}")
        return parts

    def __str__(self) -> str:
        if self.value is None:
            return f"no {self.name}: {self.failure}"
        beside = self._beside()
        return f"{self.name} {self.value:.6g}" + (f" ({'; '.join(beside)})" if beside else "")

    def __repr__(self) -> str:
        return f"<{self}, protocol {self.protocol_id}>"

    def _repr_html_(self) -> str:
        return Scores([self])._repr_html_()


class Scores(Mapping[str, Score]):
    """Scores by name."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self._scores = {score.name: score for score in scores}

    def __getitem__(self, name: str) -> Score:
        return self._scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    def __repr__(self) -> str:
        return "\n".join(repr(score) for score in self._scores.values())

    def _repr_html_(self) -> str:
        rows = []
        for score in self._scores.values():
            value = score.failure if score.value is None else f"{score.value:.6g}"
            cells = [score.name, value, "; ".join(score._beside()), score.protocol_id]
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th>{name}</th>" for name in ("score", "value", "", "protocol"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class Options(TypedDict, total=False):
    """How a comparison is made; see :func:`evaluate`."""

    features: str | None
    weights: str | os.PathLike[str] | None
    images: int | None
    split: str | None
    repeat: int
    value_range: tuple[float, float] | None
    set: Mapping[str, object] | None
    cache: str | os.PathLike[str] | None


def evaluate(
    generated: Set,
    real: Set,
    *,
    metrics: Sequence[str] = (),
    **options: Unpack[Options],
) -> Scores:
    """Scores of generated against real images: ``histogen evaluate``.

    Each side is an array of bytes (images x height x width x 3, or x 1, or without the last), anything that becomes one
    (``__array__`` or DLPack: a tensor of PyTorch on the CPU), an array of features (images x features), a :class:`Run`, or the
    path of a run, a patch store, a folder of images or a file of features.

    Parameters
    ----------
    generated, real : array, Run or path
        What is measured, and what it is measured against.
    metrics : sequence of str
        Scores or families of them (``histogen list metrics``); without it FID, KID, precision, recall, F1, density and coverage.
    features : str, optional
        The feature extractor (``histogen list features``); the program's default without it.
    weights : path, optional
        Its weights, where they are not among those that ``histogen weights`` keeps.
    images : int, optional
        Images of each side that is a path; all without it.
    split : str, optional
        The split of a patch store: ``test``, which is taken without it, or ``train``.
    repeat : int
        Draw from a run this many times, and give mean and spread.
    value_range : tuple of float, optional
        The darkest and the brightest value of arrays that are not bytes.
    set : mapping, optional
        Settings, ``{"evaluation.metrics.bootstrap": 1000}``.
    cache : path, optional
        A folder to keep features in, found again by content; nothing is kept without it.

    Returns
    -------
    Scores
        By name. One that could not be measured has no value, and says why.

    Raises
    ------
    ValueError
        What was given cannot be compared; the message says what to do.
    FileNotFoundError
        A path is not there.

    Examples
    --------
    >>> import numpy as np, histogen
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 500, 8))
    >>> scores = histogen.evaluate(a, b, metrics=["fid", "precision"])
    >>> sorted(scores)
    ['fid', 'precision']
    """
    return _evaluate(generated, real, metrics, options, calls=3)


def _evaluate(generated: Set, real: Set, metrics: Sequence[str], options: Options, calls: int) -> Scores:
    """:func:`evaluate`; warnings point ``calls`` calls up from here."""
    chosen = settings(options.get("set"))
    extractor, weights = options.get("features"), options.get("weights")
    value_range = options.get("value_range")
    sides = [
        _side(generated, "the generated images", value_range),
        _side(real, "the real images", value_range),
    ]
    if all(isinstance(side, tuple) for side in sides) and (extractor is not None or weights is not None):
        raise ValueError("`features` and `weights` have no meaning for arrays of features: nothing is extracted")
    if extractor is not None:
        chosen += settings({"evaluation.features.extractor": extractor})
    if weights is not None:
        chosen += settings({"evaluation.features.weights": weights})
    text = _call(
        sides,
        lambda: _histogen.compare(
            sides[0],
            sides[1],
            {
                "metrics": list(metrics),
                "images": options.get("images"),
                "split": options.get("split"),
                "repeat": options.get("repeat", 1),
                "settings": chosen,
                "cache": options.get("cache"),
            },
        ),
    )
    scores = Scores([Score.from_record(record) for record in json.loads(text)])
    for warning in dict.fromkeys(score.warning for score in scores.values() if score.warning):
        warnings.warn(warning, HistogenWarning, stacklevel=calls)
    return scores


def _side(given: Set, what: str, value_range: tuple[float, float] | None) -> Images | Features | Path:
    """A side as the native part takes it."""
    path = path_of(given)
    if path is not None:
        return path
    array = array_of(given, what)
    if array.ndim == 2:
        return features_of(array, what)
    return images_of(array, what, value_range)


def _call(sides: Sequence[object], call: Callable[[], str]) -> str:
    """Calls the native part; a refusal about a path that is not there is the exception Python has for that."""
    try:
        return call()
    except ValueError as error:
        missing = [side for side in sides if isinstance(side, Path) and not side.exists()]
        if missing:
            raise FileNotFoundError(str(error)) from None
        raise


def _one(name: str, generated: Set, real: Set, options: Options) -> Score:
    score = _evaluate(generated, real, [name], options, calls=4)[name]
    if score.value is None:
        raise ValueError(f"there is no {name}: {score.failure}")
    return score


def fid(generated: Set, real: Set, **options: Unpack[Options]) -> Score:
    """The Fréchet distance between Gaussians fitted to the features of two sets (Heusel et al. 2017); see :func:`evaluate`.

    Examples
    --------
    >>> import numpy as np, histogen
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> round(float(histogen.fid(x + [3, 0, 0, 0], x)), 3)
    9.0
    """
    return _one("fid", generated, real, options)


def kid(generated: Set, real: Set, **options: Unpack[Options]) -> Score:
    """The squared maximum mean discrepancy with a cubic kernel, over random subsets (Bińkowski et al. 2018); see :func:`evaluate`."""
    return _one("kid", generated, real, options)


def precision_recall(generated: Set, real: Set, **options: Unpack[Options]) -> Scores:
    """Precision, recall and F1 (Kynkäänniemi et al. 2019); see :func:`evaluate`."""
    return _evaluate(generated, real, ["precision-recall"], options, calls=3)


def density_coverage(generated: Set, real: Set, **options: Unpack[Options]) -> Scores:
    """Density and coverage (Naeem et al. 2020); see :func:`evaluate`."""
    return _evaluate(generated, real, ["density-coverage"], options, calls=3)


def authpct(generated: Set, real: Set, **options: Unpack[Options]) -> Score:
    """The share of generated images that are no copies, in per cent (Alaa et al. 2022); see :func:`evaluate`."""
    return _one("authpct", generated, real, options)


def extract(
    images: Set,
    features: str | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    value_range: tuple[float, float] | None = None,
    set: Mapping[str, object] | None = None,
    progress: Callable[..., Any] | None = None,
) -> npt.NDArray[np.float32]:
    """Features of images, one row an image.

    Parameters
    ----------
    images : array or path
        As in :func:`evaluate`.
    features : str, optional
        The extractor, ``inception-v3-clean``; the program's default without it.
    weights, value_range, set
        As in :func:`evaluate`.
    progress : callable, optional
        ``tqdm.tqdm``, or what is called as that is.

    Returns
    -------
    array of float32
        Images x features.
    """
    chosen = settings(set)
    if features is not None:
        chosen += settings({"evaluation.features.extractor": features})
    if weights is not None:
        chosen += settings({"evaluation.features.weights": weights})
    path = path_of(images)
    side = path if path is not None else images_of(array_of(images, "the images"), "the images", value_range)
    try:
        return _histogen.extract(side, chosen, progress)
    except ValueError as error:
        if path is not None and not path.exists():
            raise FileNotFoundError(str(error)) from None
        raise


def write_statistics(
    data: Set,
    path: str | os.PathLike[str],
    *,
    format: str = "pytorch-fid",
    features: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    value_range: tuple[float, float] | None = None,
    set: Mapping[str, object] | None = None,
) -> str:
    """Writes mean and covariance of the features of a set, for other tools or as a side of :func:`evaluate` later.

    Parameters
    ----------
    data : array, Run or path
        As a side of :func:`evaluate`.
    path : path
        The ``.npz`` file to write.
    format : str
        ``pytorch-fid``, ``clean-fid`` or ``adm`` (which has the images in it).
    features, weights, value_range, set
        As in :func:`evaluate`; without ``features`` the extractor of the tool that ``format`` names.

    Returns
    -------
    str
        What was written, in a sentence.

    Examples
    --------
    >>> import numpy as np, histogen, tempfile, pathlib
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "x.npz"
    >>> _ = histogen.write_statistics(x, file)
    >>> round(float(histogen.fid(x + [3, 0, 0, 0], file)), 3)
    9.0
    """
    chosen = settings(set)
    if weights is not None:
        chosen += settings({"evaluation.features.weights": weights})
    with tempfile.TemporaryDirectory(prefix="histogen-") as folder:
        side = _side(data, "the images", value_range)
        file = Path(folder) / "array.npy"
        if isinstance(side, tuple):
            file.write_bytes(side[0] + side[1].tobytes())
            side = file
        elif not isinstance(side, Path):
            np.save(file, side)
            side = file
        return _call([side], lambda: _histogen.write_statistics(side, path, format, features, chosen))
