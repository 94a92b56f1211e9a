"""Export to ONNX, and detectors that run on ONNX Runtime."""
