"""The order in which a recurrent layer reads a batch, against PyTorch's packed sequences."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from zhenwei.models.gru.packing import Packing

LENGTHS = [2, 5, 0, 3, 5]
MASK = torch.arange(6) < torch.tensor(LENGTHS)[:, None]
NUMBERS = torch.arange(30).view(5, 6)


def test_tokens_stand_as_pytorch_packs_them() -> None:
    real = [row for row, length in enumerate(LENGTHS) if length]
    lengths = torch.tensor(LENGTHS)[real]
    theirs = pack_padded_sequence(NUMBERS[real], lengths, batch_first=True, enforce_sorted=False)
    packing = Packing.of(MASK)
    assert packing.batch_sizes == theirs.batch_sizes.tolist() == [4, 4, 3, 2, 2]
    assert packing.ends == [4, 8, 11, 13, 15]
    assert packing.n_tokens == 15
    assert NUMBERS.flatten()[packing.padding].tolist() == NUMBERS[~MASK].tolist()
    assert packing.both_ways(NUMBERS)[0].tolist() == theirs.data.tolist()


def test_the_other_direction_reads_each_row_from_its_end() -> None:
    mirrored = NUMBERS.clone()
    for row, length in enumerate(LENGTHS):
        mirrored[row, :length] = NUMBERS[row, :length].flip(0)
    ahead, back = Packing.of(MASK).both_ways(NUMBERS)
    assert back.tolist() == Packing.of(MASK).both_ways(mirrored)[0].tolist()
    assert torch.equal(ahead[Packing.of(MASK).mirror], back)
    assert torch.equal(back[Packing.of(MASK).mirror], ahead)


def test_padding_alone_has_no_steps() -> None:
    packing = Packing.of(torch.zeros(2, 3, dtype=torch.bool))
    assert (packing.batch_sizes, packing.ends, packing.n_tokens) == ([], [], 0)
