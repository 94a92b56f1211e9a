"""How good a detector is: scores of labelled files, and how far they can be trusted."""

from zhenwei.evaluation.evaluate import assess, assess_file, judge_file
from zhenwei.evaluation.quick_metrics import evaluate_file
from zhenwei.evaluation.records import Evaluation

__all__ = ["Evaluation", "assess", "assess_file", "evaluate_file", "judge_file"]
