"""HTML pages that open offline: of a run, a comparison, an audit, an evaluation, an explanation."""

from zhenwei.evaluation.report.audit_page import write_audit_page
from zhenwei.evaluation.report.comparison_page import write_comparison_page
from zhenwei.evaluation.report.evaluation_page import write_evaluation_page
from zhenwei.evaluation.report.explanation_page import write_explanation_page
from zhenwei.evaluation.report.run_page import write_run_page

__all__ = [
    "write_audit_page",
    "write_comparison_page",
    "write_evaluation_page",
    "write_explanation_page",
    "write_run_page",
]
