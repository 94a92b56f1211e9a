"""Settings of the articles and of how their text becomes tokens."""

from typing import Annotated

from pydantic import Field

from zhenwei.config.section import Section


class DataConfig(Section):
    """Which files are read and how their text is cut into tokens."""

    root_path: str = "data"
    """Folder that holds `train`, `val` and (optionally) `test`, each as .json, .jsonl, .csv or .parquet."""

    train: str | None = None
    """File of the training articles; `null`: `train.*` in `root_path`."""

    val: str | None = None
    """File of the validation articles, on which the best epoch is chosen; `null`: `val.*` in `root_path`."""

    test: str | None = None
    """File of the test articles, the future; `null`: `test.*` in `root_path`; without one, val is reported."""

    max_len: Annotated[int, Field(ge=3, le=8192)] = 170
    """Longest text in tokens, the two special ones included; longer texts are cut, and the log says how many."""

    tokenizer: str | None = None
    """Folder or hub name of a pretrained fast tokenizer; `null`: that of the pretrained model, or else a
    vocabulary trained on the training posts."""

    vocab_size: Annotated[int, Field(ge=10)] = 21128
    """Most entries that a vocabulary trained on the training posts may have; unused with a pretrained one."""

    min_frequency: Annotated[int, Field(ge=1)] = 2
    """A trained vocabulary leaves out what occurs less often than this in the training posts."""

    emotion_lexicons: list[str] = []
    """The lexicons that `zhenwei data enrich --emotion --lexicon FILE` was given, if any: with them the detector makes
    the emotion vectors of new texts as those of the training articles were made."""

    aug_prob: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Chance with which each word is deleted, and the same chance with which it is masked, while training (ENDEF's
    augmentation); a word is what the tokenizer cuts first: a Chinese character, or a whole word of other scripts.
    Where the network reads entities (`model.debias`), an article acts with chance 1/2 on its entities instead."""

    mask_entities: bool = False
    """Hide the names of persons, places and organisations from the network, while training and ever after: each of
    their tokens becomes a mask. They are those of an article's `entity_list`, else those that jieba finds. Names go out
    of date sooner than wording."""
