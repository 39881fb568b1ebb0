"""The front end: from an ONNX file to a graph of real units, with a verdict for every node."""
