"""The token order of recurrent layers, against PyTorch's packed sequences."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from zhenwei.models.gru.packing import Packing

LENGTHS = [2, 5, 0, 3, 5]
MASK = torch.arange(6) < torch.tensor(LENGTHS)[:, None]
NUMBERS = torch.arange(30).view(5, 6)


def test_the_order_is_that_of_pytorchs_packed_sequence() -> None:
    real = [row for row, length in enumerate(LENGTHS) if length]
    lengths = torch.tensor(LENGTHS)[real]
    theirs = pack_padded_sequence(NUMBERS[real], lengths, batch_first=True, enforce_sorted=False)
    packing = Packing.from_mask(MASK)
    assert packing.batch_sizes == theirs.batch_sizes.tolist() == [4, 4, 3, 2, 2]
    assert packing.step_ends == [4, 8, 11, 13, 15]
    assert packing.n_tokens == 15
    assert NUMBERS.flatten()[packing.padding].tolist() == NUMBERS[~MASK].tolist()
    assert packing.gather(NUMBERS)[0].tolist() == theirs.data.tolist()


def test_the_backward_direction_reads_each_row_from_its_end() -> None:
    mirrored = NUMBERS.clone()
    for row, length in enumerate(LENGTHS):
        mirrored[row, :length] = NUMBERS[row, :length].flip(0)
    forward, backward = Packing.from_mask(MASK).gather(NUMBERS)
    assert backward.tolist() == Packing.from_mask(MASK).gather(mirrored)[0].tolist()
    assert torch.equal(forward[Packing.from_mask(MASK).mirror], backward)
    assert torch.equal(backward[Packing.from_mask(MASK).mirror], forward)


def test_a_batch_of_padding_has_no_steps() -> None:
    packing = Packing.from_mask(torch.zeros(2, 3, dtype=torch.bool))
    assert (packing.batch_sizes, packing.step_ends, packing.n_tokens) == ([], [], 0)
