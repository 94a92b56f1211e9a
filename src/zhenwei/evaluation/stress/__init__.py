"""The stress test: how harmless edits of the articles change a detector's verdicts."""

from zhenwei.evaluation.stress.pairs import TextPair, read_pairs
from zhenwei.evaluation.stress.records import StressResult
from zhenwei.evaluation.stress.stress import stress, stress_files, stress_pairs

__all__ = ["StressResult", "TextPair", "read_pairs", "stress", "stress_files", "stress_pairs"]
