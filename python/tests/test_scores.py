"""Scores: the digits of the command line, closed forms, and what is refused."""

import json
import multiprocessing
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from PIL import Image

import histogen
from conftest import GOLDEN

METRICS = ["fid", "kid", "precision-recall", "density-coverage", "kid-block", "fid-infinity", "authpct"]
SETTINGS = {"evaluation.metrics.kid_subset_size": 50, "evaluation.metrics.kid_subsets": 10}


def as_options(settings):
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def same(scores, records):
    """Whether module and command say the same of every score, to the last digit."""
    told = {record["name"]: record for record in records}
    assert list(scores) == list(told)
    for name, score in scores.items():
        record = told[name]
        assert score.value == record["value"], name
        assert score.spread == record["spread"], name
        assert score.warning == record.get("warning", ""), name


def test_every_metric_on_features_has_the_digits_of_the_command(features, program, tmp_path):
    for name, array in zip(("a", "b"), features, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", histogen.HistogenWarning)
        scores = histogen.evaluate(*features, metrics=METRICS, set=SETTINGS)
    arguments = [tmp_path / "a.npy", tmp_path / "b.npy", "--metrics", ",".join(METRICS), "--json"]
    same(scores, program("evaluate", *arguments, *as_options(SETTINGS)))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, ">f4"])
def test_features_in_memory_are_the_file_that_numpy_saves(features, tmp_path, kind):
    sets = [(16 * array).astype(kind) for array in features]
    sets[0].flags.writeable = False
    paths = [tmp_path / "generated.npy", tmp_path / "real.npy"]
    for path, array in zip(paths, sets, strict=True):
        np.save(path, array if kind != np.int16 else array.astype(float))
    expected = histogen.fid(*paths)
    for given in (sets, [sets[0], paths[1]], [np.asfortranarray(sets[0]), sets[1]]):
        score = histogen.fid(*given)
        assert score.value == expected.value
        if kind != ">f4":
            assert score.protocol_id == expected.protocol_id


def test_a_file_called_as_features_in_memory_are_is_the_file(features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = histogen.fid(*features).value
    np.save("generated.npy", features[1])
    assert histogen.fid(features[0], "generated.npy").value == expected
    np.save("real.npy", features[0])
    assert histogen.fid("real.npy", features[1]).value == expected


def test_features_are_not_compared_with_images(features, images, tmp_path):
    np.save(tmp_path / "images.npy", images[0])
    for other in (images[0], tmp_path / "images.npy"):
        with pytest.raises(ValueError, match="what made the features is not known"):
            histogen.fid(features[0], other)
        with pytest.raises(ValueError, match="what made the features is not known"):
            histogen.fid(other, features[0])


@pytest.mark.parametrize(("extractor", "count"), [("pixels", 96), ("vgg16-random", 96), ("inception-v3-clean", 8)])
def test_images_have_the_digits_of_the_command(images, inception, program, tmp_path, extractor, count):
    images = images[:, :count]
    weights = inception if extractor.startswith("inception") else None
    settings = SETTINGS | {"evaluation.metrics.kid_subset_size": count // 2}
    for name, array in zip(("a", "b"), images, strict=True):
        (tmp_path / name).mkdir()
        for index, image in enumerate(array):
            Image.fromarray(image).save(tmp_path / name / f"{index:04}.png")
    arguments = {"features": extractor, "weights": weights, "set": settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", histogen.HistogenWarning)
        scores = histogen.evaluate(*images, **arguments)
        mixed = histogen.evaluate(images[0], tmp_path / "b", **arguments)
        folders = histogen.evaluate(tmp_path / "a", tmp_path / "b", **arguments)
    options = ["--features", extractor, "--json", "--out", tmp_path, *as_options(settings)]
    options += ["--weights", weights] if weights else []
    records = program("evaluate", tmp_path / "a", tmp_path / "b", *options)
    for found in (scores, mixed, folders):
        same(found, records)
    assert folders["fid"].protocol_id == records[0]["protocol_id"]
    assert mixed["fid"].protocol_id == records[0]["protocol_id"]


def test_inception_has_the_features_of_torch_fidelity(inception):
    expected = json.loads((GOLDEN / "data.json").read_text())["features"]
    place = np.arange(64 * 64 * 3)
    base = 37 * place * place + 11 * place + place // 13
    images = np.stack([base + 91 * image for image in range(2)]).astype(np.uint8).reshape(2, 64, 64, 3)
    found = histogen.extract(images, "inception-v3", weights=inception)
    assert np.abs(found - np.array(expected)).max() < 1e-4, "of order 1"


def test_features_are_those_that_scores_are_made_from(images):
    made = [histogen.extract(side, "pixels") for side in images]
    assert made[0].dtype == np.float32
    assert made[0].shape == (96, 768)
    assert np.allclose(made[0].reshape(96, 16, 16, 3), images[0] / 255, atol=1e-6)
    assert histogen.fid(*made).value == histogen.fid(*images, features="pixels").value


def test_a_score_says_what_it_is(features):
    score = histogen.fid(*features, set={"evaluation.metrics.bootstrap": 20})
    assert float(score) == score.value
    low, high = score.interval
    assert low < high
    assert score.protocol["images"] == 400
    assert score.protocol_id in repr(score)
    assert "bootstrap" in str(score)
    assert "<table>" in score._repr_html_()
    known = 8 * 0.5**2 + 8 * (1.5 - 1.0) ** 2
    assert abs(score.value - known) / known < 0.2, "two normal distributions, by the closed form"


def test_what_a_reader_must_know_is_a_warning(features):
    with pytest.warns(histogen.HistogenWarning, match="biased upwards") as caught:
        score = histogen.fid(features[0][:6], features[1][:6])
    assert caught[0].filename == __file__, "it points to the call"
    assert score.warning in str(caught[0].message)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((4, 16, 16, 3)), "their range is not said"),
        (np.zeros((4, 3, 16, 16), np.uint8), "bring the channels last"),
        (np.zeros((4, 16, 16, 4), np.uint8), "4 channels"),
        (np.zeros((4, 16, 8, 3), np.uint8), "16 x 8 pixels"),
        (np.zeros((0, 16, 16, 3), np.uint8), "no pixels"),
        (np.zeros(5, np.uint8), "1 dimensions"),
        (np.array([None, 1]), "objects"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "no array"),
        (np.array([["a", "b"]]), "no features"),
        (np.zeros((4, 8, 8, 3), np.uint8), "cannot be compared"),
        (np.zeros((1, 16, 16, 3), np.uint8), "2"),
    ],
)
def test_wrong_arrays_get_one_sentence(images, array, sentence):
    with pytest.raises(ValueError, match=sentence):
        histogen.fid(array, images[0], features="pixels")


def test_features_that_are_not_finite_are_refused_by_place(features):
    wrong = features[0].copy()
    wrong[7, 3] = np.nan
    with pytest.raises(ValueError, match="feature 3 of image 7 of the generated images is not finite"):
        histogen.fid(wrong, features[1])


def test_floats_are_quantised_once_their_range_is_said(images):
    expected = histogen.fid(*images, features="pixels").value
    for low, high in [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]:
        given = [side / 255 * (high - low) + low for side in images]
        assert histogen.fid(*given, features="pixels", value_range=(low, high)).value == expected
    with pytest.raises(ValueError, match="beyond 0 to 1"):
        histogen.fid(images[0].astype(float), images[1].astype(float), features="pixels", value_range=(0, 1))


def test_arrays_of_every_layout_are_one_set(images):
    expected = histogen.fid(*images, features="pixels").value
    locked = images[0].copy()
    locked.flags.writeable = False
    for array in [locked, np.asfortranarray(images[0]), images[0][::-1][::-1], images[0][:, ::-1][:, ::-1], images[0].tolist()]:
        given = np.asarray(array, dtype=np.uint8) if isinstance(array, list) else array
        assert histogen.fid(given, images[1], features="pixels").value == expected


def test_grey_images_need_no_channels(images):
    grey = images[..., 0]
    with_channel = histogen.fid(grey[0][..., None], grey[1][..., None], features="pixels")
    assert histogen.fid(grey[0], grey[1], features="pixels").value == with_channel.value


def test_paths_that_are_not_there_are_not_found(tmp_path, images):
    for generated, real in [(tmp_path / "none", images[0]), (images[0], tmp_path / "none"), (tmp_path / "none", tmp_path)]:
        with pytest.raises(FileNotFoundError, match="none"):
            histogen.fid(generated, real, features="pixels")
    with pytest.raises(FileNotFoundError):
        histogen.extract(tmp_path / "none", "pixels")
    with pytest.raises(FileNotFoundError):
        histogen.runs(tmp_path / "none")


def test_names_that_are_unknown_are_refused_with_the_nearest(images):
    with pytest.raises(ValueError, match="did you mean `pixels`"):
        histogen.fid(*images, features="pixel")
    with pytest.raises(ValueError, match="unknown"):
        histogen.evaluate(*images, metrics=["nonsense"], features="pixels")
    with pytest.raises(TypeError, match="a.b"):
        histogen.fid(*images, set={"a.b": object()})


def test_results_do_not_depend_on_threads(images):
    expected = histogen.extract(images[0], "vgg16-random")
    histogen.set_threads(1)
    one = histogen.extract(images[0], "vgg16-random")
    histogen.set_threads(2)
    assert np.array_equal(expected, one)
    with pytest.raises(ValueError, match="0 threads"):
        histogen.set_threads(0)


def test_threads_of_python_run_meanwhile(images):
    many = np.concatenate([images[0]] * 4)
    ticks, done = 0, threading.Event()

    def tick():
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.monotonic()
    histogen.extract(many, "vgg16-random")
    seconds = time.monotonic() - began
    done.set()
    thread.join()
    assert ticks > seconds / 0.01 * 0.2, "the interpreter's lock was held"


def _forked(images, queue):
    queue.put(histogen.fid(*images, features="pixels").value)


def test_a_forked_process_computes_as_well(images):
    expected = histogen.fid(*images, features="pixels").value
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forking with threads
        process = context.Process(target=_forked, args=(images, queue))
        process.start()
    assert queue.get(timeout=60) == expected
    process.join(60)
    assert process.exitcode == 0


def test_ctrl_c_is_seen_within_a_second():
    script = """
import signal, time, threading, os, numpy as np, histogen
signal.signal(signal.SIGINT, signal.default_int_handler)
images = np.zeros((20000, 64, 64, 3), np.uint8)
threading.Timer(1.5, lambda: (times.append(time.monotonic()), os.kill(os.getpid(), signal.SIGINT))).start()
times = []
try:
    histogen.extract(images, "vgg16-random")
except KeyboardInterrupt:
    print(time.monotonic() - times[0])
histogen.fid(np.eye(50), np.eye(50) + 1)  # the next call is not taken for interrupted
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.5, "a second, and some for a loaded machine"


def test_progress_is_what_tqdm_is_called_as(images):
    seen = []

    class Bar:
        def __init__(self, total, desc):
            seen.append((desc, total))
            self.done = 0

        def update(self, n):
            self.done += n

        def close(self):
            seen.append(self.done)

    histogen.extract(images[0], "pixels", progress=Bar)
    assert seen == [("features", 96), 96]

    class Broken(Bar):
        def update(self, n):
            raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        histogen.extract(images[0], "pixels", progress=Broken)
    assert histogen.extract(images[0], "pixels").shape == (96, 768)
