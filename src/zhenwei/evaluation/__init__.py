"""How good a detector is: scores of labelled files."""

from zhenwei.evaluation.evaluate import evaluate_file

__all__ = ["evaluate_file"]
