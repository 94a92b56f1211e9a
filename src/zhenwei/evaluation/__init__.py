"""How good a detector is: scores of labelled files, and how far they can be trusted."""

from zhenwei.evaluation.assess import assess, assess_file, judge_file
from zhenwei.evaluation.assessment import Assessment
from zhenwei.evaluation.evaluate import evaluate_file
from zhenwei.evaluation.judging import judge_articles, to_device

__all__ = ["Assessment", "assess", "assess_file", "evaluate_file", "judge_articles", "judge_file", "to_device"]
