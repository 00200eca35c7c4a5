"""Pixels to incidents: ONNX perception, then pure incident rules. Floor 2."""
