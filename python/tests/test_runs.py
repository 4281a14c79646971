"""Runs: trained, found again, stopped by Ctrl-C, read, drawn from."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import histogen

SMALL = {
    "training.steps": 6,
    "training.batch": 4,
    "data.patch_size": 32,
    "data.maximum_patches": 64,
    "backbone.generator_width": 4,
    "backbone.critic_width": 4,
    "logging.grid_images": 4,
    "logging.checkpoint_every": 3,
}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def run(out):
    return histogen.train("table1", model="dcgan", profile="smoke", set=SMALL, out=out)


def test_a_run_is_trained_once(run, out):
    assert run.state == "finished"
    assert run.step == 6
    again = histogen.train("table1", model="dcgan", profile="smoke", set=SMALL, out=out)
    assert again == run
    assert run in histogen.runs(out)
    assert run in histogen.runs(out / "runs")


def test_the_ledger_is_columns(run):
    columns = run.ledger()
    assert columns["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert {"critic_loss", "generator_loss"} <= set(columns)
    assert all(len(column) == 6 for column in columns.values())
    assert np.isfinite(columns["critic_loss"]).all()
    assert next(run.events())["event"] == "start"


def test_samples_are_those_of_the_command(run):
    images = run.sample(5, seed=3)
    assert images.shape == (5, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(run.sample(2, seed=3), images[:2]), "an image is the same however many are drawn"
    assert histogen.fid(images, images, features="pixels").value == pytest.approx(0, abs=1e-6)


def test_a_run_can_be_a_side(run):
    images = run.sample(40)
    score = histogen.evaluate(run, images, metrics=["fid"], features="pixels", images=40)["fid"]
    assert score.protocol["images"] == 40


def test_wrong_requests_are_refused(run, out):
    with pytest.raises(ValueError, match="`n` is 0"):
        run.sample(0)
    with pytest.raises(ValueError, match="did you mean `dcgan`"):
        histogen.train("table1", model="dcgam", out=out)
    with pytest.raises(ValueError, match="training.step"):
        histogen.train("table1", model="dcgan", set={"training.stepz": 3}, out=out)


def test_ctrl_c_closes_a_training_that_then_goes_on(tmp_path):
    # The handler is set: a shell starts what it runs in the background without one.
    script = f"""
import signal, sys, histogen
signal.signal(signal.SIGINT, signal.default_int_handler)
settings = {{**{SMALL!r}, "training.steps": 4000, "logging.checkpoint_every": 100000}}
print("begun", flush=True)
histogen.train("table1", model="dcgan", profile="smoke", set=settings, out={str(tmp_path)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = histogen.runs(tmp_path) if (tmp_path / "runs").exists() else []
        if found and found[0].step > 5:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    run = histogen.runs(tmp_path)[0]
    assert run.state == "killed"
    assert any((run.path / "checkpoints").iterdir())
    stopped = run.step
    assert 5 < stopped < 4000
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.step <= stopped + 5 and time.monotonic() < deadline + 60:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert run.ledger()["step"].tolist() == list(range(1, run.step + 1)), "it goes on where it was stopped, no step twice"
    assert run.step > stopped
