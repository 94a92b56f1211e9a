"""jieba's hidden Markov model of words and their tags, with the same results as jieba's own code.

jieba segments by its dictionary first. In the remaining runs of single characters, Viterbi's algorithm over 256 states
(a position in a word, and the word's tag) finds names that are not in the dictionary. jieba's code uses dictionaries of
tuples; here a step is a few operations on arrays. `benchmarks/name_model.py` prints 18 times as fast for the runs of
Weibo21, and 6 to 7 times as fast for whole posts.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

TaggedWord = tuple[str, str]
Numbers = NDArray[np.int64]
Scores = NDArray[np.float64]

_UNSEEN = -3.14e100  # jieba's log-probability of an unseen emission
_CACHE_SIZE = 1 << 16


class NameModel:
    """Segment runs of single Chinese characters into tagged words.

    Args:
        posseg: The module `jieba.posseg`, with the model's tables.
    """

    def __init__(self, posseg: Any) -> None:
        # Sorted, so that of two equally probable paths jieba's choice wins, the `max` of tuples.
        self._states: list[tuple[str, str]] = sorted(posseg.trans_P)
        self._number = {state: number for number, state in enumerate(self._states)}
        self._emissions = [posseg.emit_P[state] for state in self._states]
        self._start = np.array([posseg.start_P[state] for state in self._states])
        self._steps = np.full((len(self._states), len(self._states)), -np.inf)  # [from, to]
        for state, following in posseg.trans_P.items():
            for other, probability in following.items():
                self._steps[self._number[state], self._number[other]] = probability
        self._admitted = posseg.char_state_tab_P
        self._all = np.arange(len(self._states))
        # Pure functions, so caching does not change results.
        self.cut = lru_cache(maxsize=_CACHE_SIZE)(self._cut)
        self._of_character = lru_cache(maxsize=_CACHE_SIZE)(self._look_up)

    def _cut(self, run: str) -> tuple[TaggedWord, ...]:
        """Return the words of a run and their tags, as `jieba.posseg`."""
        words = []
        begin = after = 0
        states = self._most_probable_states(run)
        for index, number in enumerate(states):
            position, tag = self._states[number]
            if position == "B":
                begin = index
            elif position in "ES":
                begin = begin if position == "E" else index
                words.append((run[begin : index + 1], tag))
                after = index + 1
        if after < len(states):
            words.append((run[after:], self._states[states[after]][1]))
        return tuple(words)

    def _most_probable_states(self, run: str) -> list[int]:
        """Return the state of each character by Viterbi's algorithm; empty if there is no path."""
        states, emissions = self._of_character(run[0])
        scores = self._start[states] + emissions  # [states]
        visited = [states]
        origins: list[Numbers] = []
        for character in run[1:]:
            previous, previous_scores = states, scores
            states, emissions = self._of_character(character)
            scores, origin = self._step(previous, previous_scores, states, emissions)
            if scores.max() == -np.inf:  # none of the character's states can follow: try all states
                states, emissions = self._all, self._emitted(character, self._all)
                scores, origin = self._step(previous, previous_scores, states, emissions)
                if scores.max() == -np.inf:
                    return []
            if scores.min() == -np.inf:
                reached = scores > -np.inf
                states, scores, origin = states[reached], scores[reached], origin[reached]
            origins.append(origin)
            visited.append(states)
        index = len(scores) - 1 - int(scores[::-1].argmax())
        path = [int(visited[-1][index])]
        for origin, states in zip(reversed(origins), reversed(visited[:-1]), strict=True):
            index = int(origin[index])
            path.append(int(states[index]))
        return path[::-1]

    def _step(self, before: Numbers, scores: Scores, states: Numbers, emissions: Scores) -> tuple[Scores, Numbers]:
        """Return the best score of each state, and the index of its predecessor among the previous states."""
        # Added in jieba's order, which decides about rounding at -3e100 and below.
        totals = (scores[:, None] + self._steps[before[:, None], states]) + emissions  # [before, states]
        best = len(before) - 1 - totals[::-1].argmax(axis=0)  # the last of equals
        return totals[best, self._all[: len(states)]], best

    def _look_up(self, character: str) -> tuple[Numbers, Scores]:
        """Return the states that may emit a character, all if it is unknown, and its log-probability in each."""
        admitted = self._admitted.get(character)
        states = self._all if admitted is None else np.array(sorted(map(self._number.__getitem__, admitted)))
        return states, self._emitted(character, states)

    def _emitted(self, character: str, states: Numbers) -> Scores:
        return np.array([self._emissions[state].get(character, _UNSEEN) for state in states])
