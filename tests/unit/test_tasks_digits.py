"""Questions about digits: answers by slow arithmetic, images of two kinds, forms of the same trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits

from arcuate.errors import SpecError
from arcuate.tasks import DigitQuestions, DigitTrials

EACH = DigitQuestions(digits=(1, 3), operations=(0, 2)).each()


def worked_out(classes: Any, question: Any) -> int:
    """Work a question off from left to right, one step at a time."""
    value = int(classes[question[0]])
    for k in range(1, len(question), 2):
        digit = int(classes[question[k + 1]])
        value = (value + digit) % 10 if question[k] == -1 else (value - digit) % 10
    return value


def drawn(task: DigitQuestions = EACH[-1], n: int = 200, seed: int = 1) -> DigitTrials:
    return task.draw(n, seed=seed)


@pytest.mark.parametrize(
    "task", EACH, ids=[f"{t.digits[0]} digits, {t.operations[0]} operations" for t in EACH]
)
def test_answers_are_those_of_arithmetic(task: DigitQuestions) -> None:
    trials = drawn(task)
    asked = [worked_out(c, q) for c, q in zip(trials.classes, trials.question, strict=True)]
    assert trials.answers.tolist() == asked
    assert trials.question.shape == (200, 2 * task.operations[0] + 1)
    assert set(trials.question[:, ::2].ravel()) == set(range(task.digits[0]))
    assert set(trials.question[:, 1::2].ravel()) == ({-1, -2} if task.operations[0] else set())


def test_images_are_those_of_their_class() -> None:
    data = load_digits()
    known = {image.tobytes(): int(target) for image, target in zip(data.images, data.target, strict=True)}
    for part in ("train", "test"):
        trials = drawn(DigitQuestions(images=part, digits=3, operations=1))
        for image, digit in zip(trials.images.reshape(-1, 8, 8), trials.classes.ravel(), strict=True):
            assert known[np.rint(image * 16).tobytes()] == digit


def test_no_test_image_is_a_training_image() -> None:
    seen = {}
    for part in ("train", "test"):
        trials = drawn(DigitQuestions(images=part, digits=3, operations=1), n=4000)
        seen[part] = {image.tobytes() for image in trials.images.reshape(-1, 8, 8)}
    assert not seen["train"] & seen["test"]
    assert len(seen["test"]) == 359 and len(seen["train"]) == 1438


def test_both_bounds_are_drawn() -> None:
    batches = DigitQuestions(digits=(1, 3), operations=(1, 2)).batches(2)
    shapes = set()
    for seed in range(60):
        (images, question), _ = batches(np.random.default_rng(seed))
        shapes.add((images.shape[1], question.shape[1] // 2))
    assert shapes == {(d, o) for d in (1, 2, 3) for o in (1, 2)}


def test_a_seed_gives_the_same_trials_which_nobody_can_change() -> None:
    one, two, other = drawn(), drawn(), drawn(seed=2)
    assert np.array_equal(one.images, two.images) and np.array_equal(one.question, two.question)
    assert not np.array_equal(one.which, other.which)
    for name in ("images", "classes", "which", "question", "answers"):
        assert not getattr(one, name).flags.writeable
    (images, question), answers = one.frames()
    assert images.flags.writeable and question.flags.writeable and answers.flags.writeable


def test_a_warp_of_nothing_is_nothing_and_a_shift_moves_the_ink() -> None:
    from arcuate.tasks.digits import _warped

    rng = np.random.default_rng(0)
    images = rng.random((5, 8, 8))
    np.testing.assert_allclose(_warped(images, rng, 0.0, 0.0), images, atol=1e-15)
    task = DigitQuestions(digits=1, operations=1, warp=0.15, shift=1.0)
    still, moved = (drawn(t).images[:, 0] for t in (DigitQuestions(digits=1, operations=1), task))
    assert moved.min() >= 0 and moved.max() <= 1
    rows = np.arange(8)
    centers = [(i.sum(2) * rows).sum(1) / i.sum((1, 2)) for i in (still, moved)]
    assert 0.2 < np.std(centers[1] - centers[0]) < 1.0


def test_whole_shifts_are_exact() -> None:
    from arcuate.tasks.digits import _warped

    class Up:
        """Gives the largest number of a range."""

        def uniform(self, low: float, high: float, size: Any) -> np.ndarray:
            return np.full(size, high)

    images = np.random.default_rng(0).random((2, 8, 8))
    shifted = _warped(images, Up(), 0.0, 2.0)
    np.testing.assert_allclose(shifted[:, :6, :6], images[:, 2:, 2:], atol=1e-15)
    assert not shifted[:, 6:].any() and not shifted[:, :, 6:].any()


def test_three_forms_hold_the_same_trials() -> None:
    trials = drawn(n=20)
    (images, question), answers = trials.frames()
    np.testing.assert_allclose(images[:, :, 0], trials.images, rtol=1e-6)
    read = trials.tokens()
    held = trials.drive("5 ms", hold="20 ms")
    words = np.array(read.vocabulary)
    signs = {-1: "+", -2: "-"}
    for k in range(20):
        text = words[read.tokens[k]]
        gray = [float(word.split()[1]) / 16 for word in text[:192]]
        np.testing.assert_allclose(gray, trials.images[k].ravel())
        parts = [signs.get(int(p), f"#{p + 1}") for p in question[k]]
        assert text[192:].tolist() == [*parts, "="]
        assert read.targets[k].tolist() == [-1] * 197 + [int(answers[k])]
        items = held.inputs[k, ::4]
        np.testing.assert_allclose(items[:3, :64], trials.images[k].reshape(3, 64))
        assert [held.channels[c] for c in items[3:].argmax(1)] == [*parts, "="]
        assert items[3:].sum() == 6
        assert held.outputs[held.targets[k, -1].argmax()] == str(answers[k])
    assert held.asked.sum(1).tolist() == [4] * 20 and held.inputs.shape == (20, 36, 70)


def test_scores_and_words() -> None:
    trials = drawn(n=10)
    given = trials.answers.copy()
    given[3] = (given[3] + 5) % 10
    assert trials.score(given).tolist() == [k != 3 for k in range(10)]
    left, right = trials.text(0).split(" = ")
    names = left.split()
    value = int(names[0])
    for sign, digit in zip(names[1::2], names[2::2], strict=True):
        value += int(digit) if sign == "+" else -int(digit)
    assert right == f"{value % 10} (mod 10)"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"digits": 0}, "digits"),
        ({"digits": (3, 1)}, "digits"),
        ({"digits": (1, 2, 3)}, "digits"),
        ({"digits": 51}, "digits"),
        ({"operations": 1.5}, "operations"),
        ({"operations": -1}, "operations"),
        ({"operations": 10**12}, "operations"),
        ({"images": "validation"}, "images"),
        ({"warp": -0.1}, "warp"),
        ({"warp": float("nan")}, "warp"),
        ({"shift": 9.0}, "shift"),
    ],
)
def test_bad_tasks_are_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(SpecError, match=name) as caught:
        DigitQuestions(**options)
    assert len(str(caught.value).splitlines()) <= 4


def test_bad_draws_are_named() -> None:
    task = DigitQuestions()
    for call, name in (
        (lambda: task.draw(0, seed=1), "n_trials"),
        (lambda: task.draw(10**13, seed=1), "n_trials"),
        (lambda: task.draw(5, seed=-1), "seed"),
        (lambda: task.batches(10**13), "size"),
        (lambda: drawn().score([[1], [1, 2]]), "answers"),
        (lambda: task.batches(2.0), "size"),
        (lambda: drawn().score(np.zeros(3)), "answers"),
        (lambda: drawn().text(200), "trial"),
        (lambda: drawn().drive("3 ms", hold="10 ms"), "hold"),
    ):
        with pytest.raises(SpecError, match=name):
            call()
