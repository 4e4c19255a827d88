"""Generators of prompts that a step has read in part stay out of it, whatever becomes of the step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from convrec.engine.vllm import vllm_available

pytestmark = [
    pytest.mark.skipif(vllm_available() is not None, reason=str(vllm_available())),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def worker():
    """A worker whose runner has three requests: the first has none, the others have a generator."""
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner

    from convrec.engine.vllm_worker import SeededWorker

    class Runner(CPUModelRunner):
        def __init__(self):
            generators = {row: torch.Generator().manual_seed(row) for row in (1, 2)}
            self.input_batch = SimpleNamespace(generators=generators, num_reqs=3)
            self.discard_request_mask = SimpleNamespace(np=np.array([True, True, False, False]))
            self.used = None

        def sample_tokens(self, grammar_output):
            self.used = sorted(self.input_batch.generators)
            if grammar_output == "fails":
                raise RuntimeError(grammar_output)
            return grammar_output

    made = SeededWorker.__new__(SeededWorker)
    made.model_runner = Runner()
    return made


def test_they_stay_out(worker):
    assert worker.sample_tokens("grammar") == "grammar"
    assert worker.model_runner.used == [2]
    assert sorted(worker.model_runner.input_batch.generators) == [1, 2]


def test_and_come_back_where_the_step_fails(worker):
    with pytest.raises(RuntimeError, match="fails"):
        worker.sample_tokens("fails")
    assert sorted(worker.model_runner.input_batch.generators) == [1, 2]
