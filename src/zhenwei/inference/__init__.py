"""Predict with a trained detector."""

from zhenwei.inference.detector import Detector
from zhenwei.inference.explanation import Explanation
from zhenwei.inference.prediction import Prediction
from zhenwei.news.similarity.index import Similar

__all__ = ["Detector", "Explanation", "Prediction", "Similar"]
