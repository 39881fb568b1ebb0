"""snncc: a compiler from trained CNNs in ONNX form to spiking networks."""

__version__ = "0.1.0"
