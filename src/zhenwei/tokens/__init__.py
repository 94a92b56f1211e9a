"""Text to numbers: tokenizer, augmentation, encoding once into flat arrays, length-bucketed batches."""

from zhenwei.tokens.augmentation import WordAugmentation
from zhenwei.tokens.batches import Batch, batch_order, collate
from zhenwei.tokens.encoding import EncodedArticles, encode_articles
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer, load_pretrained_tokenizer
from zhenwei.tokens.vocabulary import train_tokenizer

__all__ = [
    "Batch",
    "EncodedArticles",
    "SpecialTokens",
    "TextTokenizer",
    "WordAugmentation",
    "batch_order",
    "collate",
    "encode_articles",
    "load_pretrained_tokenizer",
    "train_tokenizer",
]
