"""Runs: finding them, reading their ledgers, drawing from them, training them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from histogen import _histogen

if TYPE_CHECKING:
    from histogen._scores import Score


@dataclass(frozen=True)
class Run:
    """A run: one model, trained with one configuration and one seed.

    Attributes
    ----------
    path : pathlib.Path
        Its folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The name of its folder: model, seed, and a hash of the configuration."""
        return self.path.name

    @property
    def state(self) -> str:
        """How it stands: ``new``, ``running``, ``finished``, ``stopped``, ``killed``, ``diverged`` or ``failed``."""
        return _histogen.state(self.path)[0]

    @property
    def step(self) -> int:
        """The steps behind it."""
        return _histogen.state(self.path)[1]

    def events(self) -> Iterator[dict[str, Any]]:
        """What its ledger says, event by event; ``docs/files.md`` describes them."""
        for time, text in _histogen.events(self.path):
            event: dict[str, Any] = json.loads(text)
            yield event if time is None else {**event, "time": time}

    def ledger(self) -> dict[str, npt.NDArray[Any]]:
        """The numbers of its steps as columns, for ``pandas.DataFrame`` or ``polars.DataFrame``.

        Returns
        -------
        dict of arrays
            ``step``, ``time`` (seconds since 1970), and a column for each number; NaN where a step has none.
        """
        steps = [event for event in self.events() if event["event"] == "step"]
        names = sorted({name for event in steps for name in event["scalars"]})
        columns: dict[str, npt.NDArray[Any]] = {
            "step": np.array([event["step"] for event in steps], dtype=np.int64),
            "time": np.array([event.get("time", np.nan) for event in steps], dtype=np.float64) / 1000,
        }
        for name in names:
            values = [event["scalars"].get(name, np.nan) for event in steps]
            columns[name] = np.array(values, dtype=np.float64)
        return columns

    def scores(self) -> list[tuple[int, Score]]:
        """Every score in its ledger, with the step it was measured after."""
        from histogen._scores import Score

        measured = (event for event in self.events() if event["event"] == "evaluation")
        return [(event["step"], Score.from_record(record)) for event in measured for record in event["scores"]]

    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        *,
        step: int | None = None,
        samplers: Sequence[str] = (),
        set: Mapping[str, object] | None = None,
        progress: Callable[..., Any] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Images that its model makes; the same as ``histogen sample`` draws.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            An image is the same however many are drawn.
        step : int, optional
            The checkpoint to draw from; the newest without it.
        samplers : sequence of str
            Samplers by name; the first that fits the model draws.
        set : mapping, optional
            Settings of samplers, ``{"samplers.ddim.steps": 20}``.
        progress : callable, optional
            ``tqdm.tqdm``, or what is called as that is.

        Returns
        -------
        array of uint8
            n x height x width x channels.
        """
        from histogen._inputs import settings

        return _histogen.sample(self.path, n, seed, step, list(samplers), settings(set), progress)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<code>{escape(self.name)}</code>: {escape(self.state)}, step {self.step}"


def runs(folder: str | os.PathLike[str] = ".") -> list[Run]:
    """The runs of a folder that trainings were made in (``--out``), by name.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"no folder `{folder}` to look for runs in")
    if (place / "runs").is_dir():
        place = place / "runs"
    return [Run(Path(found)) for found in _histogen.run_folders(place)]


def train(
    experiment: str | os.PathLike[str] = "table1",
    *,
    model: str,
    seed: int = 0,
    data: str | os.PathLike[str] | None = None,
    profile: str | os.PathLike[str] = "quick",
    set: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] = ".",
    progress: Callable[..., Any] | None = None,
) -> Run:
    """Trains one system of an experiment, or finds it trained: ``histogen train``.

    Ctrl-C ends it with a checkpoint; the same call goes on from there.

    Parameters
    ----------
    experiment : str or path
        A name (``table1``) or a TOML file.
    model : str
        A system of the experiment by its label, or any model.
    seed : int
        The training's seed.
    data : path, optional
        Real images; phantom slides without it.
    profile : str or path
        The overlay on the experiment: ``smoke``, ``quick``, ``paper``, or a TOML file.
    set : mapping, optional
        Settings, ``{"training.steps": 500}``.
    out : path
        Where ``runs/`` is kept.
    progress : callable, optional
        ``tqdm.tqdm``, or what is called as that is.

    Raises
    ------
    ValueError
        The experiment, a setting or the data do not fit.
    RuntimeError
        The training diverged.
    """
    from histogen._inputs import settings

    values: dict[str, object] = {} if data is None else {"data.source": os.fspath(data)}
    pairs = settings({**values, **(set or {})})
    folder = _histogen.train(os.fspath(experiment), model, seed, os.fspath(profile), pairs, out, progress)
    return Run(Path(folder))
