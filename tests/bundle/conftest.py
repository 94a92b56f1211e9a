"""The fixtures of the training tests, which these tests share."""

from tests.training.conftest import (  # noqa: F401
    articles,
    make_accelerator,
    make_plan,
    make_train_state,
    one_thread,
    plain_config,
    tokenizer,
)
