"""A training that dies by kill -9 goes on in another process and ends as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from convrec.testing.model import tiny_model

TRAIN = """
import sys
from pathlib import Path
from convrec.progress import silent
from convrec.prompting import Prompts
from convrec.ranking.interest import InterestPrompts
from convrec.settings import Settings
from convrec.testing.examples import riesling_examples
from convrec.testing.recommender import wine_list
from convrec.training.trainer import TrainerConfig, train_adapter

examples = riesling_examples(60)
prompts = InterestPrompts(Prompts(Settings().prompts_dir).load("rank"), wine_list())
config = TrainerConfig(learning_rate=1e-2, epochs=8, batch=4, evaluations=12, patience=99)
train_adapter(sys.argv[1], examples[:48], examples[48:], prompts, Path(sys.argv[2]), config, silent)
"""


def start(model: Path, work: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(model), str(work)], stderr=subprocess.DEVNULL)


@pytest.mark.timeout(600)
def test_killed_twice_it_ends_with_the_same_weights(tmp_path: Path, demo_data_dir: Path) -> None:
    model = tiny_model(tmp_path / "tiny", demo_data_dir / "models" / "SmolLM2-135M-Instruct")
    assert start(model, tmp_path / "whole").wait() == 0
    killed = tmp_path / "killed"
    for checkpoints in (2, 5):
        process = start(model, killed)
        while _steps(killed) < checkpoints * 8 and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it must not have ended by itself"
    assert start(model, killed).wait() == 0
    once, twice = (
        load_file(work / "adapter" / "adapter_model.safetensors") for work in (tmp_path / "whole", killed)
    )
    assert all(bool((once[name] == twice[name]).all()) for name in once)


def _steps(work: Path) -> int:
    """Of the newest checkpoint, whole or not."""
    return max((int(folder.name.rpartition("-")[2]) for folder in work.glob("checkpoint-*")), default=0)
