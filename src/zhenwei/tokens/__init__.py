"""Tokenization, encoding into flat arrays, augmentation, and length-bucketed batches."""

from zhenwei.tokens.augmentation import Augmentation
from zhenwei.tokens.batches import Batch, batch_order, collate
from zhenwei.tokens.encoding import EncodedArticles, domain_of, encode_articles
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer, load_pretrained_tokenizer
from zhenwei.tokens.vocabulary import train_tokenizer

__all__ = [
    "Augmentation",
    "Batch",
    "EncodedArticles",
    "SpecialTokens",
    "TextTokenizer",
    "batch_order",
    "collate",
    "domain_of",
    "encode_articles",
    "load_pretrained_tokenizer",
    "train_tokenizer",
]
