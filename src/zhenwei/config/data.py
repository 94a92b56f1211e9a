"""Settings of the articles and of their tokenization."""

from typing import Annotated

from pydantic import AfterValidator, Field

from zhenwei.config.section import AtLeastOne, Section, did_you_mean

NORMALIZE_STEPS = (
    "invisible", "width", "html", "links", "residue", "mentions", "edges", "traditional", "emoji", "hashtags",
    "brackets", "runs", "blanks",
)  # fmt: skip
DEFAULT_STEPS = tuple(step for step in NORMALIZE_STEPS if step not in ("emoji", "hashtags"))


EDIT_FAMILIES = (
    "link", "mention", "full_text", "source_tail", "emoji", "reposter_prefix", "hashtags", "blanks",
    "double_punctuation", "remove_punctuation", "full_width_punctuation", "brackets_added", "brackets_removed", "html",
    "traditional", "full_width", "zero_width", "first_140", "homophones", "lookalikes", "split_characters",
)  # fmt: skip


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    """Return a validator of a name, whose message has the closest one."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"found '{name}'; {did_you_mean(name, names)}")
        return name

    return AfterValidator(check)


def _check_distinct(names: list[str]) -> list[str]:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"found '{repeated[0]}' twice; expected each name once")
    return names


class DataConfig(Section):
    """The files of articles, and their tokenization."""

    root_path: str = "data"
    """Folder of `train`, `val` and (optionally) `test`, each as .json, .jsonl, .csv or .parquet."""

    train: str | None = None
    """File of training articles; `null`: `train.*` in `root_path`."""

    val: str | None = None
    """File of validation articles, which select the best epoch; `null`: `val.*` in `root_path`."""

    test: str | None = None
    """File of test articles, the future; `null`: `test.*` in `root_path`. Without one, val is reported."""

    rewrites: list[str] = []
    """Files of rewrites of training articles, which are trained on, too. A rewrite names its original by `rewrite_of`
    or has its `id`; rewrites of other articles are left out. See `training.consistency`."""

    normalize: Annotated[list[Annotated[str, _one_of(NORMALIZE_STEPS)]], AfterValidator(_check_distinct)] = [
        *DEFAULT_STEPS
    ]
    """Steps that each text goes through before the detector reads it, in this order; [] reads texts as they are. See
    [what a detector reads](normalization.md) for the steps. The original's flat form has none."""

    max_len: Annotated[int, Field(ge=3, le=8192)] = 170
    """Maximum length of a text in tokens, two special ones included; longer texts are truncated."""

    tokenizer: str | None = None
    """Folder or hub name of a pretrained fast tokenizer; `null`: the pretrained model's own, or a vocabulary trained on
    the training articles."""

    vocab_size: Annotated[int, Field(ge=10)] = 21128
    """Maximum size of a trained vocabulary; not used with a pretrained tokenizer."""

    min_frequency: AtLeastOne = 2
    """Minimum number of occurrences of an entry of a trained vocabulary."""

    emotion_lexicons: list[str] = []
    """The lexicons of `zhenwei data enrich --emotion --lexicon FILE`, if any: the detector uses the same ones for new
    texts."""

    aug_prob: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability q of ENDEF's augmentation in training: each word is deleted with probability q and masked with
    probability q. A word is a pre-token: one Chinese character, or one word of other scripts. With `model.debias`, an
    article augments its entities instead with probability 1/2."""

    aug_edits: Annotated[list[Annotated[str, _one_of(EDIT_FAMILIES)]], AfterValidator(_check_distinct)] = []
    """Families of [harmless edits](stress.md#families): each training article is trained on together with a copy that
    one of them, drawn at random, has edited. The two share the weight of one article, as with rewrites."""

    mask_entities: bool = False
    """Replace the tokens of names (persons, places, organizations) by the mask token, in training and prediction. The
    names are those of an article's `entity_list`, or those that jieba finds. Names go out of date sooner than wording.
    """
