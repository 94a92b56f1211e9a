"""Use of a trained detector."""

from zhenwei.inference.detector import Detector, Prediction

__all__ = ["Detector", "Prediction"]
