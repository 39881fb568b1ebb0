"""Sparse gradients of snncc, on the same problem."""

from __future__ import annotations

import numpy as np
from learning import Array, Problem, Step, seconds, serve

from snncc.learn.engine import Engine, Weights
from snncc.learn.network import Dense, Network, Neuron, Readout, Surrogate
from snncc.learn.recipe import Recipe
from snncc.learn.state import start
from snncc.learn.trains import Trains


class Sparse:
    """A network of two hidden layers."""

    def __init__(self, problem: Problem) -> None:
        neuron, inputs = Neuron(decay=problem.decay), len(problem.weights[0])
        layers = tuple(Dense(outputs=weight.shape[1], neuron=neuron) for weight in problem.weights[:-1])
        classes = problem.weights[-1].shape[1]
        network = Network(
            inputs=(1, 1, inputs),
            steps=problem.starts.shape[1] - 1,
            layers=layers,
            readout=Readout(classes=classes, decay=problem.decay, gain=1 - problem.decay),
            surrogate=Surrogate(band=problem.band),
        )
        self.engine = Engine(network, threads=problem.threads)
        self.trains = Trains(starts=problem.starts, places=problem.places, inputs=inputs)
        self.labels, self.recipe = problem.labels, Recipe(rate=problem.rate)
        self.state = start(tuple(problem.weights))
        self.found: Weights = ()

    def step(self, chosen: Array) -> Step:
        """One training step; the scores alone, computed beside it, give the time of the forward pass."""
        times = [seconds()]
        self.engine.scores(self.state.weights, self.trains, chosen)
        times.append(seconds())
        found, self.found = self.engine.gradients(self.state.weights, self.trains, chosen, self.labels)
        times.append(seconds())
        self.state.update(self.found, self.recipe, self.recipe.rate)
        times.append(seconds())
        forward, both, update = np.diff(times).tolist()
        return Step(found.loss, forward, both - forward, update)

    def gradients(self) -> list[Array]:
        """Those of the last step."""
        return list(self.found)


if __name__ == "__main__":
    serve(Sparse)
