"""Networks of spiking neurons that learn: sparse spiking gradient descent (docs/learning.md)."""
