"""Training steps on a GPU as replays of one CUDA graph.

The model is so small that launching its kernels one by one, and waiting for numbers on the way,
takes longer than computing. In the graph are drawing a batch, both passes and the optimiser.
"""

from __future__ import annotations

import torch

from training.data import Corpus, DeviceCorpus
from training.gpu.layers import use_kernels
from training.trainer import Trainer

_WARM_UP_STEPS = 5


class GraphedSteps:
    """``steps`` steps of ``trainer`` a call, with nothing read back in between."""

    def __init__(self, trainer: Trainer, corpus: Corpus, steps: int) -> None:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        config = trainer.config
        torch.manual_seed(config["seed"] * 1_000_003 + trainer.step)
        self._trainer, self._steps = trainer, steps
        self._corpus = DeviceCorpus.of(corpus, trainer.device)
        use_kernels(trainer.model)
        # Kernels are compiled, algorithms chosen and buffers made before the graph is recorded.
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_STEPS):
                trainer.set_learning_rate()
                self._names = list(self._learn())
                trainer.follow()
        torch.cuda.current_stream().wait_stream(side)
        self._sums = torch.zeros(len(self._names), device=trainer.device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            losses = self._learn()
            self._sums.add_(torch.stack([one.detach() for one in losses.values()]))

    def __call__(self) -> dict[str, float]:
        """Take the steps; returns the means of their losses by name."""
        for _ in range(self._steps):
            self._trainer.set_learning_rate()
            self._graph.replay()
            self._trainer.follow()
        means = (self._sums / self._steps).tolist()
        self._sums.zero_()
        return dict(zip(self._names, means, strict=True))

    def _learn(self) -> dict[str, torch.Tensor]:
        config = self._trainer.config
        gain, speed = config["gain_db"], config["speed"]
        shape = config["batch_size"], config["segment_samples"]
        return self._trainer.learn(
            self._corpus.batch(*shape, (gain[0], gain[1]), (speed[0], speed[1]))
        )
