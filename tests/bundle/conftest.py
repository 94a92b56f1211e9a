"""Fixtures of other packages that these tests share."""

from tests.evaluation.conftest import shared_tfidf, tfidf, tfidf_run  # noqa: F401
from tests.training.conftest import (  # noqa: F401
    articles,
    make_accelerator,
    make_plan,
    make_train_state,
    one_thread,
    plain_config,
    tokenizer,
)
