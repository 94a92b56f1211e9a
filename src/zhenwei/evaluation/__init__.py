"""Evaluation of trained detectors on labelled files."""

from zhenwei.evaluation.evaluate import evaluate
from zhenwei.evaluation.records import Evaluation

__all__ = ["Evaluation", "evaluate"]
