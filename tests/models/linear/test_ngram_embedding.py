"""Hashed embeddings of n-grams: buckets and collisions."""

import numpy as np
import pytest
import torch

from zhenwei.models.linear.ngram_embedding import NgramEmbedding


class TestNgramEmbedding:
    def test_buckets_do_not_depend_on_the_position(self) -> None:
        ngrams = NgramEmbedding([2, 3], 1000, 4, 6, 0.0)
        pairs, triples = ngrams.bucket_numbers(torch.tensor([[5, 6, 7, 5, 6, 7], [1, 1, 1, 5, 6, 7]]))
        assert pairs[0, 1] == pairs[0, 4] == pairs[1, 4]
        assert triples[0, 5] == triples[1, 5] == triples[0, 2]
        assert pairs[0, 2] != pairs[0, 3]

    def test_collisions_are_as_rare_as_by_chance(self) -> None:
        chance = np.random.default_rng(0)
        tokens = torch.from_numpy(chance.integers(0, 21_128, (500, 40)))
        for buckets, size in zip(
            NgramEmbedding([2, 3], 200_000, 1, 1, 0.0).bucket_numbers(tokens), (2, 3), strict=True
        ):
            seen = buckets[:, size - 1 :].flatten()
            expected = 200_000 * (1 - np.exp(-len(seen) / 200_000))  # of numbers drawn by chance
            assert len(torch.unique(seen)) == pytest.approx(expected, rel=0.01)
