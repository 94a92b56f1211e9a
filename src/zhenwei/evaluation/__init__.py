"""How good a detector is: scores of labelled files."""

from zhenwei.evaluation.evaluate import evaluate_file
from zhenwei.evaluation.judging import judge_articles, to_device

__all__ = ["evaluate_file", "judge_articles", "to_device"]
