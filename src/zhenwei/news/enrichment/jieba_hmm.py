"""jieba's hidden Markov model of words and their tags: the same answers as jieba's own code, many times faster.

jieba cuts with its dictionary first. What is left over are runs of single characters, in which names that no
dictionary knows are found by Viterbi's algorithm over 256 states (a place in a word, and the word's tag). jieba
does so with dictionaries of tuples, at about half a millisecond a character; here a step is a few operations on
arrays.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

TaggedWord = tuple[str, str]
Numbers = NDArray[np.int64]
Scores = NDArray[np.float64]

_UNSEEN = -3.14e100  # jieba's log-probability of a character that a state has never been seen to give
_RUNS_KEPT = 1 << 16


class NameModel:
    """Cuts runs of single Chinese characters into tagged words.

    Args:
        posseg: The module `jieba.posseg`, which holds the model's tables.
    """

    def __init__(self, posseg: Any) -> None:
        # Sorted, so that of two paths of like probability the one wins that jieba's `max` of tuples picks.
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
        # What a run gives depends on nothing but the run: to remember it changes no result.
        self.cut = lru_cache(maxsize=_RUNS_KEPT)(self._cut)
        self._of_character = lru_cache(maxsize=_RUNS_KEPT)(self._look_up)

    def _cut(self, run: str) -> tuple[TaggedWord, ...]:
        """The words of a run and their tags, as `jieba.posseg` finds them."""
        words = []
        begin = after = 0
        states = self._most_probable_states(run)
        for place, number in enumerate(states):
            position, tag = self._states[number]
            if position == "B":
                begin = place
            elif position in "ES":
                begin = begin if position == "E" else place
                words.append((run[begin : place + 1], tag))
                after = place + 1
        if after < len(states):
            words.append((run[after:], self._states[states[after]][1]))
        return tuple(words)

    def _most_probable_states(self, run: str) -> list[int]:
        """Viterbi's algorithm: a state's number for each character; none if the model knows no way through."""
        states, emissions = self._of_character(run[0])
        scores = self._start[states] + emissions  # [states]
        trail = [states]
        origins: list[Numbers] = []
        for character in run[1:]:
            before, scored = states, scores
            states, emissions = self._of_character(character)
            scores, origin = self._step(before, scored, states, emissions)
            if scores.max() == -np.inf:  # none of the character's own states can follow: try every state
                states, emissions = self._all, self._emitted(character, self._all)
                scores, origin = self._step(before, scored, states, emissions)
                if scores.max() == -np.inf:
                    return []
            if scores.min() == -np.inf:
                reached = scores > -np.inf
                states, scores, origin = states[reached], scores[reached], origin[reached]
            origins.append(origin)
            trail.append(states)
        place = len(scores) - 1 - int(scores[::-1].argmax())
        path = [int(trail[-1][place])]
        for origin, states in zip(reversed(origins), reversed(trail[:-1]), strict=True):
            place = int(origin[place])
            path.append(int(states[place]))
        return path[::-1]

    def _step(self, before: Numbers, scores: Scores, states: Numbers, emissions: Scores) -> tuple[Scores, Numbers]:
        """The best score of each state and the place, among the states before it, of where it comes from."""
        # Added in jieba's order: at -3e100 and below, the order decides what is lost.
        ways = (scores[:, None] + self._steps[before[:, None], states]) + emissions  # [before, states]
        best = len(before) - 1 - ways[::-1].argmax(axis=0)  # the last of equals
        return ways[best, self._all[: len(states)]], best

    def _look_up(self, character: str) -> tuple[Numbers, Scores]:
        """The states that may give a character, all of them if it is unknown, and its log-probability in each."""
        admitted = self._admitted.get(character)
        states = self._all if admitted is None else np.array(sorted(map(self._number.__getitem__, admitted)))
        return states, self._emitted(character, states)

    def _emitted(self, character: str, states: Numbers) -> Scores:
        return np.array([self._emissions[state].get(character, _UNSEEN) for state in states])
