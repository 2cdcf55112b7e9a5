"""The one call: labels, the axis within a trial, null, corrections, ceilings, warnings, files."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from toy_measure import distance, gram, score, toy, trials

import arcuate as arc
from arcuate.compare import Comparison, compare, compare_pairs
from arcuate.errors import ArcuateWarning, FileFormatError, SpecError, UnknownNameError
from arcuate.recording import Recording

QUICK: dict[str, Any] = {"measure": toy(), "n_null": 19, "n_boot": 0}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def value(result: Comparison, a: str, b: str, name: str = "value", measure: str = "toy") -> Any:
    return result.data[name].sel(measure=measure, a=a, b=b).values


def labeled(array: np.ndarray, labels: Any, *dims: str) -> xr.DataArray:
    return xr.DataArray(array, dims=("stimulus", *(dims or ("unit",))), coords={"stimulus": labels})


X, Y, Z = normal(12, 5), normal(12, 4, seed=1), normal(12, 3, seed=2)


class TestStates:
    def test_the_package_is_the_call(self) -> None:
        result = arc.compare({"x": X, "y": Y}, **QUICK)
        assert result == compare({"x": X, "y": Y}, **QUICK)
        assert value(result, "x", "y") == pytest.approx(score(gram(X), gram(Y)))
        assert value(result, "y", "x") == value(result, "x", "y")
        assert value(result, "x", "x") == pytest.approx(1)

    def test_the_package_travels_to_another_process(self) -> None:
        import pickle

        assert pickle.loads(pickle.dumps(arc.compare)) is arc.compare

    def test_rates_of_spikes_are_one_long_recording(self) -> None:
        rng = np.random.default_rng(0)
        rates = {}
        for name in ("one", "two"):
            spikes = {
                "exc": {"time": np.sort(rng.random(400) * 20), "neuron": rng.integers(0, 4, 400), "n": 4}
            }
            recording = Recording.build(source="numba", seed=1, spikes=spikes, duration=20.0)
            rates[name] = arc.analysis.spike_counts(recording, bin_width="250 ms")
        result = compare(rates, samples=("stimulus", "time"), null="shift", **QUICK)
        assert result.data["n_samples"].item() == 80 and 0.05 <= value(result, "one", "two", "p") <= 1

    def test_the_order_of_stimuli_makes_no_difference_to_any_bit(self) -> None:
        labels = [f"s{k}" for k in range(12)]
        order = np.random.default_rng(3).permutation(12)
        once = compare({"x": labeled(X, labels), "y": labeled(Y, labels)}, **QUICK)
        again = compare(
            {"x": labeled(X[order], np.array(labels)[order]), "y": labeled(Y[::-1], labels[::-1])}, **QUICK
        )
        assert once == again

    def test_recordings_are_pivoted_by_stimulus_and_repeat(self) -> None:
        cube = normal(6, 2, 4, 5)  # stimulus, repeat, time, unit
        order = np.random.default_rng(0).permutation(12)
        stimulus, repeat = np.repeat(list("abcdef"), 2)[order], np.tile([0, 1], 6)[order]
        flat = cube.reshape(12, 4, 5)[order]
        coords = {"time": np.arange(4) * 0.01, "stimulus": stimulus, "repeat": repeat}
        states = {"exc": {"rate": (flat, ("trial", "time", "unit"), coords, "Hz")}}
        recording = Recording.build(source="numba", seed=1, states=states)
        z = labeled(normal(6, 3, seed=5), list("abcdef"))
        result = compare({"net": recording, "z": z}, **QUICK)
        assert list(result.data["a"].values) == ["net/exc", "z"]
        assert value(result, "net/exc", "z") == pytest.approx(score(gram(cube.mean((1, 2))), gram(z.values)))

    def test_a_tree_and_a_list_are_as_good_as_a_dict(self) -> None:
        arrays = {"x": labeled(X, range(12)), "y": labeled(Y, range(12))}
        from_dict = compare(arrays, **QUICK)
        from_list = compare([array.rename(name) for name, array in arrays.items()], **QUICK)
        tree = xr.DataTree.from_dict(
            {f"/{name}": array.rename("act").to_dataset() for name, array in arrays.items()}
            | {"/stimuli": xr.Dataset({"word": ("stimulus", np.arange(12))})}
        )
        assert from_dict == from_list == compare(tree, **QUICK)

    def test_a_tree_of_recordings(self) -> None:
        def recording(seed: int) -> Recording:
            coords = {"stimulus": list("abcdefgh")}
            state = (normal(8, 3, 4, seed=seed), ("trial", "tick", "unit"), coords, "1")
            return Recording.build(source="torch:x", seed=1, states={"post": {"v": state}})

        both = {"one": recording(1), "two": recording(2)}
        tree = xr.DataTree.from_dict(
            {
                f"/{name}{node.path}": node.to_dataset()
                for name, rec in both.items()
                for node in rec.tree.subtree
            }
        )
        for name, rec in both.items():
            tree[name].attrs = rec.tree.attrs
        assert compare(tree, **QUICK) == compare(both, **QUICK)

    def test_globs_names_and_systems_pick_leaves(self) -> None:
        states = {"net/exc": X, "net/inh": Y, "gpt/blocks.0": Z, "gpt/blocks.1": X + Z[:, :1]}
        result = compare(states, a="net", b="gpt/blocks.*", **QUICK)
        assert result.data["value"].shape == (1, 2, 2)
        assert result.data["p"].notnull().all()
        assert compare(states, a=["net/inh"], b="gpt/blocks.1", **QUICK).to_frame().shape[0] == 1
        with pytest.raises(UnknownNameError, match=r"gpt/blocks\.1"):
            compare(states, a="gpt/block.1", **QUICK)

    @pytest.mark.parametrize("join", ["exact", "inner"])
    def test_a_missing_label_is_refused_or_left_out(self, join: str) -> None:
        states = {"x": labeled(X, range(12)), "y": labeled(Y[:-1], range(11))}
        if join == "exact":
            with pytest.raises(SpecError, match=r"'y' lacks 1 of 12 stimuli: 11.*join=\"inner\""):
                compare(states, join=join, **QUICK)
        else:
            result = compare(states, join=join, **QUICK)
            assert value(result, "x", "y") == pytest.approx(score(gram(X[:-1]), gram(Y[:-1])))
            assert result.data["n_samples"].item() == 11


class TestWithin:
    cube = normal(12, 3, 4)  # stimulus, time, unit
    other = normal(12, 3, 2, seed=9)

    def call(self, **options: Any) -> Comparison:
        return compare(
            {"x": self.cube, "y": self.other}, dims=("stimulus", "tick", "unit"), **(QUICK | options)
        )

    @pytest.mark.parametrize(
        ("within", "pick"),
        [
            ("mean", lambda x: x.mean(1)),
            ("last", lambda x: x[:, -1]),
            (slice(1, 3), lambda x: x[:, 1:3].mean(1)),
            (slice(None, 2), lambda x: x[:, :2].mean(1)),
            ("concat", lambda x: x.reshape(12, -1)),
            ("samples", lambda x: x.reshape(36, -1)),
        ],
        ids=["mean", "last", "slice", "open slice", "concat", "samples"],
    )
    def test_it_is_what_it_says(self, within: Any, pick: Any) -> None:
        wanted = score(gram(pick(self.cube)), gram(pick(self.other)))
        assert value(self.call(within=within), "x", "y") == pytest.approx(wanted)

    def test_matrix_compares_each_step_with_each(self) -> None:
        result = self.call(within="matrix")
        assert result.data["value"].dims == ("measure", "a", "b", "within_a", "within_b")
        wanted = [[score(gram(self.cube[:, i]), gram(self.other[:, j])) for j in range(3)] for i in range(3)]
        np.testing.assert_allclose(value(result, "x", "y"), wanted)
        np.testing.assert_allclose(value(result, "y", "x"), np.transpose(wanted))

    def test_matrix_takes_axes_of_other_lengths_and_a_static_code(self) -> None:
        states = {
            "ctm": xr.DataArray(self.cube, dims=("stimulus", "tick", "unit")),
            "gpt": xr.DataArray(normal(12, 5, 4), dims=("stimulus", "layer", "unit")),
            "words": Y,
        }
        result = compare(states, within="matrix", a="ctm", b=["gpt", "words"], **QUICK)
        assert result.data.sizes["within_a"] == 3 and result.data.sizes["within_b"] == 5
        assert np.isnan(value(result, "ctm", "words")[:, 1:]).all()
        assert np.isfinite(value(result, "ctm", "words")[:, 0]).all()

    def test_samples_of_stimuli_and_steps_permute_whole_stimuli(self) -> None:
        seen: list[np.ndarray] = []

        def spy(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> np.ndarray:
            seen.append(orders)
            return np.zeros(len(orders))

        self.call(samples=("stimulus", "tick"), measure=toy(null=spy))
        orders = np.concatenate(seen).reshape(19, 12, 3)
        assert (orders % 3 == np.arange(3)).all()
        assert (orders // 3 == orders[:, :, :1] // 3).all()
        assert (np.sort(orders[:, :, 0] // 3, axis=1) == np.arange(12)).all()

    def test_dynamics_leaves_trials(self) -> None:
        result = self.call(within="dynamics", measure=trials())
        wanted = abs(np.abs(np.diff(self.cube, axis=1)).mean() - np.abs(np.diff(self.other, axis=1)).mean())
        assert value(result, "x", "y", measure="speed") == pytest.approx(wanted)
        assert value(result, "x", "y", "p", measure="speed") == 1

    def test_a_time_axis_is_cut_in_seconds(self) -> None:
        time = {"time": np.arange(3) * 0.1}
        states = {
            name: xr.DataArray(array, dims=("stimulus", "time", "unit"), coords=time)
            for name, array in {"x": self.cube, "y": self.other}.items()
        }
        result = compare(states, within=slice("100 ms", None), **QUICK)
        wanted = score(gram(self.cube[:, 1:].mean(1)), gram(self.other[:, 1:].mean(1)))
        assert value(result, "x", "y") == pytest.approx(wanted)


class TestNull:
    def test_p_is_the_share_of_orders_at_least_as_extreme(self) -> None:
        result = compare({"x": X, "y": X @ normal(5, 5), "z": Z}, **(QUICK | {"n_null": 199}))
        assert value(result, "x", "y", "p") == 1 / 200
        assert 0.01 < value(result, "x", "z", "p") <= 1
        assert abs(value(result, "x", "y", "null_mean")) < 0.1

    def test_of_a_distance_the_small_ones_are_extreme(self) -> None:
        near = compare({"x": X, "y": X + 0.01 * normal(12, 5, seed=3)}, **(QUICK | {"measure": distance()}))
        assert value(near, "x", "y", "p", "toy distance") == 1 / 20
        assert value(near, "x", "y", "p_corrected", "toy distance") == 1 / 20

    @pytest.mark.parametrize("apart", [True, pytest.param(False, marks=pytest.mark.slow)])
    def test_p_values_are_uniform_where_nothing_is_shared(self, apart: bool) -> None:
        sides = {"a": "x", "b": "y"} if apart else {}
        p = [
            value(
                compare({"x": normal(10, 3, seed=k), "y": normal(10, 4, seed=1000 + k)}, seed=k, **sides,
                        **(QUICK | {"n_null": 99})),
                "x", "y", "p",
            ) for k in range(200)
        ]  # fmt: skip
        spread = np.array(p) - np.random.default_rng(0).random(200) / 100  # p is a multiple of 1/100
        assert stats.kstest(spread, "uniform").pvalue > 0.01

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
    def test_the_maximum_holds_the_error_of_a_family_of_six_at_one_in_twenty(self) -> None:
        wrong = 0
        for k in range(200):
            states = {f"x{i}": normal(10, 3, seed=10 * k + i) for i in range(4)}
            result = compare(states, seed=k, **(QUICK | {"n_null": 99}))
            wrong += bool((result.to_frame()["p_corrected"] <= 0.05).any())
        assert stats.binomtest(wrong, 200, 0.05).pvalue > 0.01

    def test_corrections(self) -> None:
        states = {"x": X, "y": X @ normal(5, 5), "z": Z, "w": Y}
        largest = compare(states, **(QUICK | {"n_null": 199})).to_frame()
        assert (largest["p_corrected"] >= largest["p"]).all()
        found = compare(states, correction="fdr", **(QUICK | {"n_null": 199})).to_frame()
        expected = stats.false_discovery_control(found["p"])
        np.testing.assert_allclose(found["p_corrected"], expected)
        assert compare(states, correction=None, **QUICK).data["p_corrected"].isnull().all()

    def test_one_long_recording_is_shifted_by_more_than_its_memory(self) -> None:
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((2, 719, 4))
        kernel = np.ones(20) / 20
        slow = [np.apply_along_axis(np.convolve, 0, part, kernel, "valid") for part in noise]
        states = {name: xr.DataArray(x, dims=("time", "unit")) for name, x in zip("xy", slow, strict=True)}
        seen: list[np.ndarray] = []

        def spy(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> np.ndarray:
            seen.append(orders[:, 0])
            return np.array([score(x, y[order][:, order]) for order in orders])

        options = QUICK | {"measure": toy(null=spy), "n_null": 99, "samples": ("stimulus", "time")}
        result = compare(states, null="shift", **options)
        shifts = np.concatenate(seen)
        assert len(set(shifts.tolist())) == 99
        assert shifts.min() >= 10 and shifts.max() <= 700 - 10
        assert value(result, "x", "y", "p") > 0.05
        with pytest.raises(SpecError, match=r"one stimulus.*shift"):
            compare(states, null="permute", **options)

    @pytest.mark.filterwarnings("ignore:compare")
    def test_one_order_gives_a_half_or_one_and_says_so(self) -> None:
        with pytest.warns(ArcuateWarning, match=r"p cannot be below 0\.5 with 1 orders"):
            result = compare({"x": X, "y": X}, **(QUICK | {"n_null": 1}))
        assert value(result, "x", "y", "p") == 0.5 == value(result, "x", "y", "p_corrected")

    def test_without_a_null_there_is_no_p(self) -> None:
        result = compare({"x": X, "y": Y}, null=None, **QUICK)
        assert result.data["p"].isnull().all() and np.isfinite(value(result, "x", "y"))


def test_every_number_is_the_same_for_one_thread_and_two() -> None:
    states = {"x": normal(20, 3, 5), "y": normal(20, 3, 4, seed=1), "z": normal(20, 3, 4, seed=2)}
    options = {
        "measure": [toy(), distance()],
        "n_null": 150,
        "n_boot": 20,
        "dims": ("stimulus", "repeat", "unit"),
    }
    assert compare(states, n_jobs=1, **options) == compare(states, n_jobs=2, **options)


class TestCeiling:
    def noisy(self, seed: int, n_repeats: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Signal (stimulus, unit), and what was seen of it (stimulus, repeat, unit)."""
        signal = normal(60, 6, seed=seed)
        return signal, signal[:, None] + noise * normal(60, n_repeats, 6, seed=seed + 500)

    def test_two_noisy_views_of_one_signal_lie_at_the_ceiling_by_repeats(self) -> None:
        found = []
        for seed in range(10):
            signal, seen = self.noisy(seed, 6)
            rotation = np.linalg.qr(normal(6, 6, seed=seed))[0]
            other = (signal @ rotation)[:, None] + normal(60, 6, 6, seed=seed + 900)
            result = compare({"x": seen, "y": other}, dims=("stimulus", "repeat", "unit"), **QUICK)
            found.append([value(result, "x", "y", name) for name in ("ceiling_low", "value", "ceiling_high")])
        low, mean, high = np.mean(found, axis=0)
        assert low < mean and mean == pytest.approx(high, abs=0.03)

    def test_a_side_without_repeats_counts_as_free_of_noise(self) -> None:
        found = []
        for seed in range(10):
            signal, seen = self.noisy(seed, 6)
            states = {"x": signal[:, None], "y": seen}
            result = compare(states, dims=("stimulus", "repeat", "unit"), **QUICK)
            found.append([value(result, "x", "y", name) for name in ("value", "ceiling_high")])
        mean, high = np.mean(found, axis=0)
        assert mean == pytest.approx(high, abs=0.03)

    def test_seeds_are_subjects(self) -> None:
        shared = normal(60, 6)
        states = {f"net/seed{k}/exc": shared + 0.7 * normal(60, 6, seed=k + 1) for k in range(5)}
        states |= {"model": shared}
        result = compare(states, a="model", b="net", **QUICK)
        low, high = (value(result, "model", "net/seed0/exc", f"ceiling_{end}") for end in ("low", "high"))
        best = float(result.data["value"].sel(measure="toy", a="model").mean())  # the truth itself
        assert 0 < low < best < high + 0.02 < 1

    def test_without_repeats_and_seeds_there_is_none_and_it_is_said(self) -> None:
        result = compare({"x": X, "y": Y}, **QUICK)
        assert result.data["ceiling_high"].isnull().all()
        assert result.data.attrs["ceiling"].startswith("none: no leaf has more than one repeat")

    def test_a_distance_has_its_own_floor(self) -> None:
        _, seen = self.noisy(0, 4)
        options = QUICK | {"measure": distance()}
        result = compare(
            {"x": seen, "y": self.noisy(1, 4)[1]}, dims=("stimulus", "repeat", "unit"), **options
        )
        floor = value(result, "x", "y", "ceiling_low", "toy distance")
        assert 0 < floor < value(result, "x", "y", measure="toy distance")


class TestInterval:
    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
    def test_it_holds_the_truth_about_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(0)
        mixing = rng.standard_normal((4, 4))
        states = rng.standard_normal((2, 4000, 4))
        truth = score(*(gram(x) for x in (states[0], states[0] @ mixing + states[1])))
        held = 0
        for k in range(60):
            x, noise = normal(2, 60, 4, seed=k)
            result = compare({"x": x, "y": x @ mixing + noise}, measure=toy(), null=None, n_boot=60, seed=k)
            held += bool(value(result, "x", "y", "low") <= truth <= value(result, "x", "y", "high"))
        assert held >= 51  # 57 expected; 51 or fewer happen once in 200

    def test_few_stimuli_give_none(self) -> None:
        result = compare({"x": X[:7], "y": Y[:7]}, measure=toy(), n_null=19, n_boot=20)
        assert result.data["low"].isnull().all()


class TestGuards:
    def test_constant_units_are_left_out_with_their_number(self) -> None:
        x = np.hstack([X, np.ones((12, 2))])
        with pytest.warns(ArcuateWarning, match="x: 2 of 7 units are constant and left out: 5, 6") as caught:
            result = compare({"x": x, "y": Y, "z": Z}, **QUICK)
        assert len(caught) == 1
        assert value(result, "x", "y") == pytest.approx(score(gram(X), gram(Y)))
        assert "constant" in str(value(result, "x", "y", "warning"))
        assert str(value(result, "y", "z", "warning")) == ""

    def test_a_stimulus_that_decides_alone_is_named(self) -> None:
        x = normal(40, 5)
        x[7] *= 40
        names = [f"word{k}" for k in range(40)]
        with pytest.warns(ArcuateWarning, match=r"x: stimulus 'word7' alone holds 9\d% of the squared Gram"):
            compare({"x": labeled(x, names), "y": labeled(normal(40, 5, seed=1), names)}, **QUICK)

    def test_a_ramp_that_all_share_is_told_and_can_be_taken_out(self) -> None:
        ramp = np.linspace(0, 4, 10)[None, :, None]
        states = {name: normal(12, 10, 4, seed=k) + ramp for k, name in enumerate("xy")}
        options = QUICK | {"dims": ("stimulus", "token", "unit"), "samples": ("stimulus", "token")}
        with pytest.warns(ArcuateWarning, match="regress_out='token'"):
            plain = compare(states, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            without = compare(states, regress_out="token", **options)
        assert value(plain, "x", "y") > 0.5 > abs(value(without, "x", "y")) + 0.3
        assert value(without, "x", "y", "value_raw") == value(plain, "x", "y")

    def test_a_few_stimuli_that_decide_together_are_named(self) -> None:
        x, y = normal(200, 20), normal(200, 20, seed=1)
        x[:12, 3] += 100
        names = [f"word{k}" for k in range(200)]
        match = r"x: 7 of 200 samples hold 5\d% of the squared Gram and decide the score: stimuli 'word\d+', "
        with pytest.warns(ArcuateWarning, match=match) as caught:
            compare({"x": labeled(x, names), "y": labeled(y, names)}, **(QUICK | {"measure": "cka"}))
        assert "exclude" not in str(caught[0].message) and str(caught[0].message).count("decide") == 1

    def test_steps_that_decide_together_are_named(self) -> None:
        states = {name: normal(12, 17, 20, seed=k) for k, name in enumerate("xy")}
        for array in states.values():
            array[:, 0, 3] += 100
        options = QUICK | {"dims": ("stimulus", "token", "unit"), "samples": ("stimulus", "token")}
        with pytest.warns(ArcuateWarning, match="stimuli 0 at token 0, .*; compare without token 0, or"):
            compare(states, **options)

    def test_a_small_ramp_that_makes_half_of_the_score_is_told(self) -> None:
        ramp = np.linspace(-1, 1, 10)[None, :, None]
        states = {name: normal(30, 10, 100, seed=k) + 0.75 * ramp for k, name in enumerate("xy")}
        options = QUICK | {"dims": ("stimulus", "token", "unit"), "samples": ("stimulus", "token")}
        with pytest.warns(
            ArcuateWarning, match="holds .* of the squared Gram, a ramp .* regress_out='token'"
        ):
            result = compare(states, **(options | {"measure": "cka"}))
        assert value(result, "x", "y", measure="cka") > 0.4

    def test_time_points_taken_for_stimuli_are_told(self) -> None:
        x, y = (np.cumsum(normal(200, 20, seed=k), axis=0) for k in (0, 1))
        with pytest.warns(ArcuateWarning, match='steps of one recording, .*null="shift"'):
            result = compare({"x": x, "y": y}, **(QUICK | {"measure": "cka"}))
        assert value(result, "x", "y", "p", measure="cka") == 0.05
        names = [f"word{k}" for k in range(200)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compare({"x": normal(200, 5), "y": y}, **QUICK)
            compare({"x": labeled(x, names), "y": labeled(y, names)}, **QUICK)

    def test_trials_padded_with_zeros_are_told(self) -> None:
        states = {name: normal(12, 10, 20, seed=k) for k, name in enumerate("xy")}
        for array in states.values():
            array[:, 0] = 0
            for stimulus, end in enumerate(range(10, 4, -1)):
                array[stimulus, end:] = 0
        options = QUICK | {"dims": ("stimulus", "tick", "unit")}
        with pytest.warns(
            ArcuateWarning, match="x: 5 of 12 stimuli end in ticks that are 0 in all units, up to 5"
        ):
            compare(states, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compare({name: array[:, :5] for name, array in states.items()}, **options)
            compare({name: np.maximum(array[:, 1:5, :2], 0) for name, array in states.items()}, **options)
            compare({name: array[:, 5] for name, array in states.items()}, **QUICK)

    def test_a_recording_too_short_for_shifts_is_told(self) -> None:
        x, y = (np.cumsum(normal(1, 200, 4, seed=k), axis=1) for k in (0, 1))
        options = QUICK | {"dims": ("stimulus", "time", "unit"), "samples": ("stimulus", "time")}
        with pytest.warns(ArcuateWarning, match="recording lasts .* autocorrelation times, of"):
            compare({"x": x, "y": y}, null="shift", **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compare({"x": normal(1, 200, 4), "y": normal(1, 200, 4, seed=1)}, null="shift", **options)

    def test_crowded_canonical_correlations_are_told_once(self) -> None:
        with pytest.warns(ArcuateWarning) as caught:
            compare({"x": X, "y": Y}, **(QUICK | {"measure": "cca"}))
        assert len(caught) == 1 and len(str(caught[0].message).splitlines()) == 2

    def test_many_units_and_few_samples(self) -> None:
        with pytest.warns(
            ArcuateWarning, match="procrustes of noise is far from 0 with 5 units on 12 samples"
        ):
            compare({"x": X, "y": Y}, **(QUICK | {"measure": toy(name="procrustes")}))

    def test_a_step_at_which_nothing_varies_has_no_score(self) -> None:
        x = normal(12, 3, 4)
        x[:, 0] = 0
        with pytest.warns(ArcuateWarning, match="x at tick 0: 4 of 4 units are constant"):
            result = compare(
                {"x": x, "y": normal(12, 3, 4, seed=1)},
                dims=("stimulus", "tick", "unit"),
                within="matrix",
                **QUICK,
            )
        assert np.isnan(value(result, "x", "y")[0]).all() and np.isfinite(value(result, "x", "y")[1:]).all()
        assert np.isfinite(value(result, "x", "y", "p_corrected")[1:]).all()


class TestResult:
    def test_each_note_is_shown_once_and_in_a_line_of_its_own(self) -> None:
        x = np.hstack([X, np.ones((12, 2))])
        with pytest.warns(ArcuateWarning):
            result = compare({"x": x, "y": np.hstack([Y, np.ones((12, 1))]), "z": Z}, **QUICK)
        lines = [line for line in repr(result).splitlines() if "warning" in line]
        assert len(lines) == len(result.notes) == 2 and not any(" | " in line for line in lines)

    def test_a_file_gives_it_back(self, tmp_path: Any) -> None:
        result = compare({"x": X, "y": Y, "zed": Z}, **QUICK)
        path = result.save(tmp_path / "result.nc")
        assert Comparison.load(path) == result
        assert Comparison.load(path).spec["measures"]["toy"]["symmetric"] is True
        with pytest.raises(SpecError, match="exists"):
            result.save(path)
        assert result.save(path, overwrite=True) == path
        assert sorted(tmp_path.iterdir()) == [path]

    def test_what_is_no_comparison_is_refused(self, tmp_path: Any) -> None:
        (tmp_path / "a.nc").write_bytes(b"nothing")
        xr.Dataset({"value": ("x", [1.0])}).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
        for name in ("a.nc", "b.nc", "c.nc"):
            with pytest.raises(FileFormatError, match=name):
                Comparison.load(tmp_path / name)

    def test_a_table_holds_each_pair_once(self) -> None:
        table = compare({"x": X, "y": Y, "z": Z}, **QUICK).to_frame()
        assert table[["a", "b"]].values.tolist() == [["x", "y"], ["x", "z"], ["y", "z"]]
        lopsided = compare({"x": X, "y": Y}, **(QUICK | {"measure": toy(symmetric=False)})).to_frame()
        assert lopsided[["a", "b"]].values.tolist() == [["x", "y"], ["y", "x"]]

    def test_it_reads_well(self) -> None:
        text = repr(compare({"x": X, "y": Y}, **QUICK))
        assert text.startswith(
            "Comparison of x, y\n  samples: stimulus; within: mean; null: permute, 19 orders"
        )
        assert "p_corrected" in text and "ceiling_low" not in text

    def test_dissimilarities_are_squared_distances(self) -> None:
        from scipy.spatial.distance import pdist, squareform

        rdms = compare({"x": X, "y": Y}, **QUICK).rdms
        np.testing.assert_allclose(rdms.sel(system="y"), squareform(pdist(Y, "sqeuclidean")) / 4, atol=1e-12)


@pytest.mark.slow
def test_many_stimuli_and_orders_take_bounded_memory() -> None:
    import tracemalloc

    column = toy(prepare=lambda x: x[:, 0].copy(), score=lambda x, y: float(x @ y),
                 null=lambda x, y, orders: y[orders] @ x, name="cca")  # fmt: skip
    states = {name: normal(20_000, 5, seed=k) for k, name in enumerate("xyz")}
    tracemalloc.start()
    compare(states, measure=column, n_null=1000, n_boot=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # all orders at once are 160 MB, a matrix of all stimuli 3.2 GB


def test_progress_reaches_its_end() -> None:
    calls: list[tuple[int, int]] = []
    compare(
        {"x": X, "y": Y, "z": Z}, progress=lambda done, n: calls.append((done, n)), **(QUICK | {"n_boot": 3})
    )
    assert calls[-1] == (69, 69)


class TestTwoPairs:
    def seeds(self, noise: float, n: int, *, start: int) -> dict[int, np.ndarray]:
        return {k: normal(40, 5) + noise * normal(40, 5, seed=start + k) for k in range(n)}

    @pytest.mark.parametrize("measure", [toy(), distance()], ids=["similarity", "distance"])
    def test_the_nearer_one_is_found(self, measure: Any) -> None:
        target = normal(40, 5)
        states = {
            "target": target,
            "near": self.seeds(0.3, 1, start=1)[0],
            "far": self.seeds(2.0, 1, start=5)[0],
        }
        found = compare_pairs(states, ("near", "target"), ("far", "target"), measure=measure, n_boot=99)
        assert 0 < found.low < found.estimate < found.high and found.p == 0.01
        assert found.estimate == pytest.approx(abs(found.first - found.second))
        turned = compare_pairs(states, ("target", "far"), ("target", "near"), measure=measure, n_boot=99)
        assert turned.estimate == pytest.approx(-found.estimate)
        assert np.isnan(found.p_labels)

    def test_seeds_are_permuted_between_systems(self) -> None:
        states = {"target": normal(40, 5)}
        states |= {f"near/seed{k}": x for k, x in self.seeds(0.5, 4, start=1).items()}
        states |= {f"far/seed{k}": x for k, x in self.seeds(1.5, 4, start=20).items()}
        found = compare_pairs(states, ("near", "target"), ("far", "target"), measure=toy(), n_boot=50)
        assert found.p_labels == pytest.approx(2 / 70)  # all labelings, the observed one and its mirror image
        assert found.low > 0

    @pytest.mark.slow
    def test_where_there_is_no_difference_few_are_found(self) -> None:
        wrong = 0
        for k in range(100):
            truth, one, other = normal(3, 40, 5, seed=k)
            states = {"target": truth, "one": truth + one, "other": truth + other}
            found = compare_pairs(
                states, ("one", "target"), ("other", "target"), measure=toy(), n_boot=99, seed=k
            )
            wrong += found.p <= 0.05
        assert wrong <= 11  # more happen once in 200

    @pytest.mark.parametrize(
        ("first", "second", "options", "words"),
        [
            (("x", "y"), ("x", "y"), {}, "differ"),
            (("x",), ("x", "y"), {}, "two systems"),
            (("x", "x"), ("x", "y"), {}, "common leaf"),
            (("x", "y"), ("x", "z"), {"n_boot": 3}, "n_boot"),
            (("x", "y"), ("x", "z"), {"states": {"x": X[:7], "y": Y[:7], "z": Z[:7]}}, ">= 8 stimuli"),
        ],
        ids=["same", "one", "itself", "halves", "few"],
    )
    def test_what_does_not_do_is_refused(self, first: Any, second: Any, options: Any, words: str) -> None:
        states = options.pop("states", {"x": X, "y": Y, "z": Z})
        with pytest.raises(SpecError, match=words):
            compare_pairs(states, first, second, measure=toy(), **options)
