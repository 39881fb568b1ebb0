"""Dense back-propagation through time in PyTorch, by `steps`, or by `layers`: all steps of a layer at once.

The equations are those of snncc.learn with reset by subtraction, V[t+1] = decay V[t] + W S[t] - S_own[t], and
the maximum of a leaky readout. The spikes of a batch are made dense before the clock starts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from learning import Array, Problem, Step, seconds, serve
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn.functional import cross_entropy

SLOPE = 100.0


class Spike(torch.autograd.Function):
    """[v > 0], with the gradient 1 / (SLOPE |v| + 1)^2."""

    @staticmethod
    def forward(context: FunctionCtx, v: Tensor) -> Tensor:
        """The spikes."""
        context.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        """The surrogate."""
        (v,) = context.saved_tensors
        return gradient / (SLOPE * v.abs() + 1) ** 2


class Dense:
    """A network of two hidden layers."""

    def __init__(self, problem: Problem, way: str) -> None:
        torch.set_num_threads(problem.threads)
        self.problem = problem
        self.way: Callable[[Tensor], Tensor] = self._steps if way == "steps" else self._layers
        self.weights = [torch.tensor(weight, requires_grad=True) for weight in problem.weights]
        self.optimizer = torch.optim.Adam(self.weights, lr=problem.rate)

    def step(self, chosen: Array) -> Step:
        """One training step."""
        spikes = self._spikes(chosen)
        labels = torch.tensor(self.problem.labels[chosen].astype(np.int64))
        times = [seconds()]
        loss = cross_entropy(self.way(spikes), labels)
        times.append(seconds())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        times.append(seconds())
        self.optimizer.step()
        times.append(seconds())
        return Step(loss.item(), *np.diff(times).tolist())

    def gradients(self) -> list[Any]:
        """Those of the last step."""
        return [weight.grad.numpy() for weight in self.weights if weight.grad is not None]

    def _spikes(self, chosen: Array) -> Tensor:
        """Zeros and ones `[steps, batch, inputs]`."""
        steps = self.problem.starts.shape[1] - 1
        dense = torch.zeros(steps, len(chosen), len(self.problem.weights[0]))
        for n, image in enumerate(chosen):
            starts = self.problem.starts[image]
            step = np.repeat(np.arange(steps), np.diff(starts))
            dense[step, n, self.problem.places[starts[0] : starts[-1]]] = 1
        return dense

    def _steps(self, x: Tensor) -> Tensor:
        decay, (w1, w2, w3) = self.problem.decay, self.weights
        v1, v2 = x.new_zeros(x.shape[1], w1.shape[1]), x.new_zeros(x.shape[1], w2.shape[1])
        s1, s2, u = torch.zeros_like(v1), torch.zeros_like(v2), x.new_zeros(x.shape[1], w3.shape[1])
        potentials = [u]
        for t in range(len(x) - 1):
            v1 = decay * v1 + x[t] @ w1 - s1.detach()
            v2 = decay * v2 + s1 @ w2 - s2.detach()
            u = decay * u + (1 - decay) * (s2 @ w3)
            s1, s2 = Spike.apply(v1 - 1), Spike.apply(v2 - 1)  # type: ignore[no-untyped-call]
            potentials.append(u)
        return torch.stack(potentials).max(0).values

    def _layers(self, x: Tensor) -> Tensor:
        w1, w2, w3 = self.weights
        drive = (1 - self.problem.decay) * (self._fire(self._fire(x @ w1) @ w2) @ w3)
        u = torch.zeros_like(drive[0])
        potentials = [u]
        for arriving in drive[:-1].unbind():
            u = self.problem.decay * u + arriving
            potentials.append(u)
        return torch.stack(potentials).max(0).values

    def _fire(self, drive: Tensor) -> Tensor:
        v = torch.zeros_like(drive[0])
        s = torch.zeros_like(v)
        spikes = [s]
        for arriving in drive[:-1].unbind():
            v = self.problem.decay * v + arriving - s.detach()
            s = Spike.apply(v - 1)  # type: ignore[no-untyped-call]
            spikes.append(s)
        return torch.stack(spikes)


if __name__ == "__main__":
    serve(lambda problem: Dense(problem, sys.argv[1]))
