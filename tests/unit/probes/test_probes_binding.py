"""Mechanisms of binding: planted mixtures that are found again, and swaps whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.memory import AssociativeMemory
from arcuate.probes import BindingFit, answer_sources, binding_answers, binding_mechanisms, fit_binding
from arcuate.probes.binding import _loss
from arcuate.tasks import Bindings

GROUPS = 8
PAIRS = Bindings(n_groups=GROUPS).draw(400, seed=1).interchanged(seed=2)
PLANTED = BindingFit(
    mechanisms=("positional", "lexical", "reflexive"),
    weight=4.0,
    width=np.array([0.6, 4.0, -4.0]),
    lexical=np.linspace(2.0, 3.0, GROUPS),
    reflexive=np.linspace(1.5, 0.5, GROUPS),
    agreement=1.0,
    intervals={},
)


def swapped(fit: BindingFit):
    """Answers of a system that follows a mixture."""

    def swap(pairs, site):
        answers = np.zeros((pairs.n_trials, pairs.original.n_answers))
        np.put_along_axis(answers, pairs.original.candidates, fit.predict(pairs.sources()), axis=1)
        return answers

    return swap


def only(**weights) -> BindingFit:
    nothing = {"weight": 0.0, "width": np.array([1e-3, 0.0, 0.0])}
    tables = {"lexical": np.zeros(GROUPS), "reflexive": np.zeros(GROUPS)}
    kept = nothing | tables | weights
    return BindingFit(mechanisms=(), agreement=1.0, intervals={}, **kept)


def test_planted_parameters_are_found_again():
    fit = fit_binding(PLANTED.predict(PAIRS.sources()), PAIRS.sources())
    assert fit.agreement > 0.9999
    assert fit.weight == pytest.approx(4.0, abs=0.05)
    np.testing.assert_allclose(fit.lexical, PLANTED.lexical, atol=0.05)
    np.testing.assert_allclose(fit.reflexive, PLANTED.reflexive, atol=0.05)
    np.testing.assert_allclose(fit.spread(), PLANTED.spread(), atol=0.05)


def test_the_prediction_is_the_equation_written_out():
    p, k, i = 2, 5, 6
    logits = np.array([4.0 * np.exp(-((a - p) ** 2) / (2 * PLANTED.spread()[p] ** 2)) for a in range(GROUPS)])
    logits[k] += PLANTED.lexical[k]
    logits[i] += PLANTED.reflexive[i]
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(PLANTED.predict([[p, k, i]])[0], expected, rtol=1e-12)
    assert PLANTED.spread()[4] == pytest.approx(0.6 + 4 / 2 - 4 / 4, abs=1e-5)


def test_the_gradient_is_that_of_the_divergence():
    draw = np.random.default_rng(0)
    target = draw.dirichlet(np.ones(GROUPS), size=50)
    target[:5] = np.eye(GROUPS)[:5]
    theta = draw.normal(1, 0.5, 4 + 2 * GROUPS)
    pointed = PAIRS.sources()[:50]
    _, gradient = _loss(theta, target, pointed)
    for one in range(len(theta)):
        step = 1e-6 * (np.arange(len(theta)) == one)
        slope = (_loss(theta + step, target, pointed)[0] - _loss(theta - step, target, pointed)[0]) / 2e-6
        assert gradient[one] == pytest.approx(slope, abs=1e-7)


def test_the_divergence_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    target = np.random.default_rng(1).dirichlet(np.ones(GROUPS), size=400)
    fit = fit_binding(target, PAIRS.sources(), mechanisms=())
    every = jensenshannon(target, np.full_like(target, 1 / GROUPS), base=2, axis=1) ** 2
    assert fit.agreement == pytest.approx(1 - every.mean(), abs=0.02)  # 60 of the items judge


def test_one_mechanism_alone_does_not_explain_a_mixture():
    answers = binding_answers(swapped(PLANTED), PAIRS, sites=["planted"])
    found = binding_mechanisms(answers, n_resamples=10)
    agreement = found.agreement.sel(site="planted")
    assert float(agreement.sel(mixture="all")) > 0.999
    for left in ("positional", "lexical", "reflexive"):
        assert float(agreement.sel(mixture=f"no {left}")) < 0.995
        assert float(agreement.sel(mixture=left)) < float(agreement.min() + 0.35)
    low, high = found.weight_interval.sel(site="planted", mechanism="positional").values
    assert low <= 4.0 <= high or abs(low - 4) < 0.02
    assert found.spread.shape == (1, GROUPS)


@pytest.mark.parametrize(
    ("source", "fit"),
    [
        ("positional", only(weight=25.0)),
        ("lexical", only(lexical=np.full(GROUPS, 25.0))),
        ("reflexive", only(reflexive=np.full(GROUPS, 25.0))),
    ],
)
def test_pure_mechanisms_are_told_apart(source, fit):
    answers = binding_answers(swapped(fit), PAIRS)
    share = answer_sources(answers).share.sel(site="state")
    np.testing.assert_allclose(share.sel(source=source), 1, atol=1e-6)
    agreement = binding_mechanisms(answers, n_resamples=0).agreement.sel(site="state")
    assert float(agreement.sel(mixture=source)) > 0.999
    assert float(agreement.sel(mixture=f"no {source}")) < 0.5


def test_nothing_taken_over_is_seen_as_such():
    def swap(pairs, site):
        return np.eye(pairs.original.n_answers)[pairs.original.answers]

    share = answer_sources(binding_answers(swap, PAIRS)).share.sel(site="state")
    np.testing.assert_allclose(share.sel(source="original"), 1)
    assert answer_sources(binding_answers(swap, PAIRS)).sizes["index"] == GROUPS


def test_what_goes_elsewhere_is_told():
    answers = binding_answers(lambda pairs, site: np.ones((400, 24)), PAIRS)
    np.testing.assert_allclose(answers.outside, 1 - GROUPS / 24)
    np.testing.assert_allclose(answers.probability, 1 / GROUPS)


def test_patching_a_lookup_gives_what_its_words_say():
    torch = pytest.importorskip("torch")
    from arcuate.probes import patch_bindings

    class Lookup(torch.nn.Module):
        """Finds the last word in the context, and answers by what stands before it in the context."""

        def __init__(self):
            super().__init__()
            self.question, self.answer = torch.nn.Identity(), torch.nn.Identity()

        def forward(self, words):
            asked = self.question(words[..., None].double())[:, -1]
            found = (words[:, 1 : 2 * GROUPS : 2] == asked).double().argmax(dim=1)
            names = words[:, : 2 * GROUPS : 2].gather(1, found[:, None])
            out = self.answer(names.double().expand(-1, words.shape[1])[..., None].contiguous())
            return 50.0 * torch.nn.functional.one_hot(out[..., 0].long(), 50).double()

    answers = patch_bindings(Lookup(), PAIRS, sites=["question:out", "answer:out"])
    share = answer_sources(answers).share.mean("index")
    assert answers.attrs["accuracy"] == 1 and answers.sizes["trial"] == 400
    assert float(share.sel(site="question:out", source="lexical")) == pytest.approx(1)
    assert float(share.sel(site="answer:out", source="reflexive")) == pytest.approx(1)
    fresh = Bindings(n_groups=GROUPS).draw(400, seed=1).interchanged(seed=2, fresh=True)
    outside = patch_bindings(Lookup(), fresh, sites=["question:out", "answer:out"]).outside.mean("trial")
    np.testing.assert_allclose(outside, [0, 1], atol=1e-6)  # what is copied goes outside


def lookup_model(torch, answer=0):
    """A module that gives one class at every word, with a part that is in training and one that is not."""

    class Same(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.state, self.still = torch.nn.Dropout(0.5), torch.nn.Identity().eval()

        def forward(self, words):
            state = self.state(torch.nn.functional.one_hot(torch.full_like(words, answer), 24).double())
            return self.still(state)

    return Same()


@pytest.mark.parametrize("n", [24, 400], ids=["refused", "patched"])
def test_patching_leaves_a_model_in_training_as_it_was(n):
    torch = pytest.importorskip("torch")
    from arcuate.probes import patch_bindings

    pairs = PAIRS.chosen(np.arange(n))
    never = int(np.setdiff1d(np.arange(24), pairs.original.answers)[0]) if n == 24 else 0
    model = lookup_model(torch, never)
    if n == 24:
        with pytest.raises(SpecError, match="right"):
            patch_bindings(model, pairs, sites="state:out")
    else:
        patch_bindings(model, pairs, sites="state:out", only_right=False)
    assert (model.training, model.state.training, model.still.training) == (True, True, False)


def test_pairs_that_are_answered_wrong_are_kept_on_request():
    torch = pytest.importorskip("torch")
    from arcuate.probes import patch_bindings

    answers = patch_bindings(lookup_model(torch), PAIRS, sites="state:out", only_right=False)
    assert answers.pair.values.tolist() == list(range(400)) and answers.attrs["accuracy"] < 0.1


def test_after_the_last_block_any_model_gives_the_answer_of_the_second_context():
    """So a site there tells nothing; those before it do."""
    torch = pytest.importorskip("torch")
    from arcuate.nn import TinyTransformer
    from arcuate.probes import patch_bindings

    model = TinyTransformer(n_outputs=24, n_tokens=49, d_model=16, n_layers=3, seed=1).eval()
    with torch.no_grad():
        donor = (
            model(torch.from_numpy(PAIRS.counterfactual.tokens().tokens.copy()))[:, -1].softmax(-1).numpy()
        )
    given = np.take_along_axis(donor, PAIRS.original.candidates, axis=1)
    apart = abs(
        patch_bindings(model, PAIRS, only_right=False).probability - given / given.sum(1, keepdims=True)
    ).max(("trial", "group"))
    assert float(apart[-1]) < 1e-6 < 1e-3 < float(apart[:-1].min())


@pytest.mark.parametrize("rule", ["hebb", "delta", "softmax"])
@pytest.mark.parametrize(("code", "source"), [("object", "lexical"), ("place", "positional")])
def test_a_memory_follows_what_its_keys_tell(rule, code, source):
    """Names are written under their objects or their places; the second context gives the key to read."""
    pairs = PAIRS.chosen(np.arange(60))
    draw = np.random.default_rng(3).standard_normal((24, 64))
    codes = draw / np.linalg.norm(draw, axis=1, keepdims=True)

    def swap(pairs, site):
        first, second = pairs.original, pairs.counterfactual
        keys = codes[first.objects] if code == "object" else codes[: first.n_groups]
        asked = codes[second.queries if code == "object" else second.asked]
        names, read = np.eye(first.n_answers), []
        for trial in range(pairs.n_trials):
            memory = AssociativeMemory(64, first.n_answers, rule=rule)
            memory.write(keys[trial] if code == "object" else keys, names[first.names[trial]])
            read.append(memory.read(asked[trial : trial + 1])[0])
        return np.exp(10 * np.array(read))

    share = answer_sources(binding_answers(swap, pairs)).share.sel(site="state").mean("index")
    assert float(share.sel(source=source)) > 0.9


POINTERS = PAIRS.sources()[:30]
EVEN = np.full((30, GROUPS), 1 / GROUPS)
ANSWERS = binding_answers(swapped(PLANTED), PAIRS)
WRONG = [
    ("19 trials", lambda: fit_binding(EVEN[:19], POINTERS[:19]), "probability"),
    ("one group", lambda: fit_binding(np.ones((30, 1)), POINTERS * 0), "probability"),
    ("sum of 2", lambda: fit_binding(2 * EVEN, POINTERS), "probability"),
    ("NaN", lambda: fit_binding(EVEN * np.nan, POINTERS), "probability"),
    ("two pointers", lambda: fit_binding(EVEN, POINTERS[:, :2]), "pointers"),
    ("pointer to group 8", lambda: fit_binding(EVEN, POINTERS * 0 + 8), "pointers"),
    ("pointer 0.5", lambda: fit_binding(EVEN, POINTERS + 0.5), "pointers"),
    ("pointers of 29 trials", lambda: fit_binding(EVEN, POINTERS[:29]), "pointers"),
    ("unknown mechanism", lambda: fit_binding(EVEN, POINTERS, mechanisms=("magic",)), "magic"),
    ("-1 resamples", lambda: fit_binding(EVEN, POINTERS, n_resamples=-1), "n_resamples"),
    ("level 1", lambda: fit_binding(EVEN, POINTERS, level=1.0), "level"),
    ("no site", lambda: binding_answers(swapped(PLANTED), PAIRS, sites=()), "sites"),
    ("answers of 3 names", lambda: binding_answers(lambda pairs, site: np.ones((400, 3)), PAIRS), "swap"),
    ("answers -1", lambda: binding_answers(lambda pairs, site: -np.ones((400, 24)), PAIRS), "swap"),
    ("no answers", lambda: binding_answers(lambda pairs, site: np.zeros((400, 24)), PAIRS), "swap"),
    ("sources of an array", lambda: answer_sources(EVEN), "answers"),
    ("sources without the original", lambda: answer_sources(ANSWERS.drop_vars("original")), "answers"),
    ("mechanisms of an array", lambda: binding_mechanisms(EVEN), "answers"),
]


@pytest.mark.parametrize(("call", "name"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_it_is_refused_by_name(call, name):
    with pytest.raises(SpecError) as caught:
        call()
    assert caught.value.name == name
    assert len(str(caught.value).splitlines()) <= 4
