"""Sentences as vectors: the words of each, added up with weights that tell their order."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from arcuate.errors import check_int
from arcuate.nn._layers import as_whole
from arcuate.nn.pmi import initialize_linear
from arcuate.rng import check_seed

__all__ = ["SentenceEmbedding"]


class SentenceEmbedding(nn.Module):  # type: ignore[misc]
    r"""Give each sentence one vector, from vectors of its words that are trained.

    The vector of a sentence of J words is

    .. math:: m_k = \sum_{j=1}^{J} l_{kj}\, a_{kj}, \qquad
        l_{kj} = \Big(1 - \frac{j}{J}\Big) - \frac{k}{d} \Big(1 - \frac{2j}{J}\Big)

    with the vector :math:`a_j` of the word in place j (Sukhbaatar, Szlam, Weston and Fergus 2015, End-to-end
    memory networks, arXiv 1503.08895, position encoding).

    Parameters
    ----------
    n_words : int
        Of the vocabulary; word 0 is nothing, and stands behind the words of a shorter sentence.
    width : int
        d, of a sentence's vector.
    seed : int
        Start values, normally distributed, from the stream ``pmi/words.weight``.

    Examples
    --------
    >>> from arcuate.memory import PMIConfig
    >>> from arcuate.nn import PMITransformer
    >>> from arcuate.tasks import BABI_WORDS, Babi
    >>> n, config = len(BABI_WORDS), PMIConfig(d_model=16, n_heads=4)
    >>> reader = PMITransformer(config, n_outputs=n, n_features=16, n_layers=2, d_hidden=32)
    >>> model = torch.nn.Sequential(SentenceEmbedding(n, 16), reader)
    >>> x, targets = Babi(kinds=(1, 6)).draw(4, seed=1).frames()
    >>> model(torch.from_numpy(x)).shape == (4, n)
    True
    """

    def __init__(self, n_words: int, width: int, *, seed: int = 0) -> None:
        super().__init__()
        check_int(n_words, where="SentenceEmbedding", name="n_words")
        check_int(width, where="SentenceEmbedding", name="width")
        self.n_words = n_words
        with torch.random.fork_rng(devices=[]):  # start values come from a stream of their own, below
            self.words = nn.Embedding(n_words, width)
        initialize_linear(self, check_seed(seed))

    def forward(self, x: Any) -> torch.Tensor:
        """Add up the words.

        Parameters
        ----------
        x : tensor of int, (B, sentences, places)
            Words by their numbers, as `arcuate.tasks.BabiTrials.frames` gives them.

        Returns
        -------
        tensor, (B, sentences, width)
            Zeros for a sentence without words.

        Raises
        ------
        SpecError
            If words are not whole numbers of the vocabulary.

        Examples
        --------
        >>> read = SentenceEmbedding(5, 3)
        >>> there, back = read(torch.tensor([[[1, 2, 0], [2, 1, 0]]]))[0]
        >>> bool(torch.allclose(there, back))
        False
        """
        where, own = "SentenceEmbedding", self.words.weight
        x = as_whole(x, own.device, ndim=3, n=self.n_words, where=where, kind="words")
        n, width = x.shape[2], own.shape[1]
        there = (x > 0).to(own.dtype)
        share = torch.arange(1, n + 1, dtype=own.dtype, device=own.device)
        share = share / there.sum(2, keepdim=True).clamp(min=1)  # j / J
        weights = torch.stack((there * (1 - share), there * (1 - 2 * share)), dim=2)
        first, second = (weights @ self.words(x)).unbind(2)
        k = torch.arange(1, width + 1, dtype=own.dtype, device=own.device)
        return first - k / width * second
