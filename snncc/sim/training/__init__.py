"""Gradients of a real-valued graph through the staircases of its populations, by ONNX Runtime."""
