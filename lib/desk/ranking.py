"""Rank the records that await screening by the words of those that were decided.

Belongs here: the weight of each term, and the score of each record. Does not belong here: who decides what
(`lib.desk.screening`).

The method is deliberately plain, so that a reviewer can see why a record comes first. For each term, the weight is the
logarithm of the ratio of its frequency in included records to that in excluded ones. Both frequencies are shrunk
towards the term's frequency in all decided records, as if `SHRINKAGE` further records of each kind had that frequency;
a term that few decided records have therefore weighs little. The score of a record is the sum of its terms' weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

SHRINKAGE = 10.0
FEWEST = 50
"""Number of decided records from which on the desk offers the ranking."""
ENOUGH = 200
"""Number of decided records below which a ranking means little, as the page says."""
_STOPWORDS = frozenset(
    (
        "a about after all among an and are as at be been between both but by can compared could did do during "
        "each for from had has have how however if in into is it its may more most no not of on one only or other "
        "our over per than that the their these they this those through to two under up use used using versus was "
        "we were what when which who will with within without would"
    ).split()
)
_WORD = re.compile(r"[a-zà-öø-ÿ][a-zà-öø-ÿ0-9-]{2,}")


def terms(text: str) -> set[str]:
    """Return the words of a text that may say what a record is about.

    Examples
    --------
    >>> sorted(terms("Tacrolimus for the treatment of vitiligo: a trial"))
    ['tacrolimus', 'treatment', 'trial', 'vitiligo']
    """
    return {word.strip("-") for word in _WORD.findall(text.lower())} - _STOPWORDS


@dataclass
class Ranking:
    """Scores of records by the words of the decided ones.

    Attributes
    ----------
    included, excluded : int
        Numbers of decided records.
    weights : dict of str to float
        Weight of each term; positive: more frequent in included records.
    scores : dict of str to float
        Score of each record by its key.
    """

    included: int
    excluded: int
    weights: dict[str, float] = field(repr=False)
    scores: dict[str, float] = field(repr=False)

    @property
    def decided(self) -> int:
        """Number of decided records."""
        return self.included + self.excluded

    def strongest(self) -> list[tuple[str, float]]:
        """Return the twelve terms with the largest weights, of either sign."""
        return _by_weight(self.weights)[:12]

    def strongest_of(self, text: str) -> list[tuple[str, float]]:
        """Return the six terms of a record with the largest weights, of either sign."""
        return _by_weight({term: self.weights[term] for term in terms(text) if self.weights.get(term)})[:6]


def _by_weight(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))


class Vocabulary:
    """The terms of all records, as a matrix with a row for each record.

    Parameters
    ----------
    texts : mapping of str to str
        Title and abstract of each record, by its key.
    """

    def __init__(self, texts: Mapping[str, str]):
        self._keys = list(texts)
        self._row = {key: row for row, key in enumerate(self._keys)}
        column: dict[str, int] = {}
        columns, starts = [], [0]
        for text in texts.values():
            columns += [column.setdefault(term, len(column)) for term in sorted(terms(text))]
            starts.append(len(columns))
        shape = len(self._keys), len(column)
        self._terms = list(column)
        self._has = sparse.csr_matrix((np.ones(len(columns)), np.array(columns, dtype=int), starts), shape=shape)

    def rank(self, included: Sequence[str], excluded: Sequence[str]) -> Ranking:
        """Weigh the terms by decided records, and score all records.

        Examples
        --------
        >>> words = Vocabulary({"a.1": "tacrolimus trial", "a.2": "mouse study", "a.3": "tacrolimus cream"})
        >>> ranking = words.rank(["a.1"], ["a.2"])
        >>> ranking.scores["a.3"] > 0 > ranking.weights["mouse"]
        True
        """
        chosen = [self._has[[self._row[key] for key in keys if key in self._row]] for keys in (included, excluded)]
        with_term = [np.asarray(part.sum(axis=0)).ravel() for part in chosen]
        numbers = [part.shape[0] for part in chosen]
        share = (sum(with_term) + 0.5) / (sum(numbers) + 1)
        frequency = [
            (n_with + SHRINKAGE * share) / (n + SHRINKAGE) for n_with, n in zip(with_term, numbers, strict=True)
        ]
        weight = np.where(sum(with_term) > 0, np.log(frequency[0] / frequency[1]), 0.0)
        scores = self._has @ weight
        weights = {self._terms[i]: float(weight[i]) for i in np.flatnonzero(weight)}
        return Ranking(numbers[0], numbers[1], weights, dict(zip(self._keys, scores.tolist(), strict=True)))
