"""The specification: what it keeps, how it is written, hashed, varied and drawn from."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate.errors import FileFormatError, SpecError, UnitsError, UnknownNameError
from arcuate.spec import (
    RLS,
    Center,
    Delta,
    Dense,
    Edges,
    Exponential,
    Feedback,
    Filter,
    FixedInDegree,
    Input,
    LogNormal,
    LogUniform,
    LowRank,
    Network,
    Neuron,
    Noise,
    Normal,
    Population,
    Projection,
    Quantity,
    Readout,
    Record,
    Sparse,
    TwoBank,
    Uniform,
    Values,
    delta,
    double_exponential,
    exponential,
    izh2003,
    izh2007,
    lif,
    parameter_order,
    synapse_weight_unit,
    to_steps,
)

TASK = {"kind": "what_when", "blocks": [{"latency": "400 ms", "probabilities": [0.8, 0.2], "n_trials": 150}]}


def reservoir() -> Network:
    """A network with one of nearly everything."""
    rho = {"rho": Uniform(0, 1)}
    drive: dict[str, Any] = {"constants": {"g": 0.1}, "latents": {"xi": Normal(0, 1)}}
    return Network(
        name="reservoir",
        dt="0.5 ms",
        description="for tests",
        populations=[
            Population(
                name="exc",
                n=48,
                sign="excitatory",
                latents=rho,
                bias=Normal(6, 1),
                noise=Noise(sigma=0.2),
                neuron=izh2003(
                    method="legacy2003", a=LogUniform(5e-4, 0.02), c="-65 + 15*rho**2", initial={"v": "c"}
                ),
            ),
            Population(name="inh", n=12, sign="inhibitory", latents=rho, neuron=izh2003(a="0.02 + 0.08*rho")),
        ],
        projections=[
            Projection(
                pre="exc",
                post="inh",
                connectivity=Sparse(0.1),
                synapse=exponential("50 ms"),
                weight="abs(xi)*4*g/sqrt(p*n_pre)",
                **drive,
            ),
            Projection(
                pre="inh",
                post="exc",
                connectivity=FixedInDegree(3),
                weight="-abs(xi)/k",
                delay="1 ms",
                **drive,
            ),
            Projection(
                pre="exc",
                post="exc",
                connectivity=Edges([0, 1, 1], [1, 2, 2]),
                weight=[0.1, 0.2, 0.3],
                delay=["1 ms", "2 ms", "0.5 ms"],
                synapse=delta(),
            ),
            Projection(pre="inh", post="inh", name="dense", connectivity=Dense(), weight=-np.ones((12, 12))),
        ],
        inputs=[
            Input(name="cue", target=["exc", "inh"], weight=Uniform(0, 30)),
            Input(name="pulses", target="exc", n_channels=2, kind="spikes", synapse=exponential()),
        ],
        readouts=[
            Readout(name="pred", source=["exc", "inh"], n_outputs=2, center=Center(), rule=TwoBank(w_max=5)),
            Readout(
                name="force",
                source="exc",
                rule=RLS(alpha=1.0, reset_at=[150]),
                feedback=Feedback(target="inh", scale=2),
            ),
        ],
        record=Record(states={"exc": ["v", "u"]}, neurons={"exc": [0, 3]}, readouts=()),
        task=TASK,
        sources={
            "dt": "chosen: half a millisecond",
            "populations.exc.neuron": "Izhikevich 2003",
            "populations.exc.neuron.a": "chosen: 50 to 2000 ms",
            "task.blocks.0.latency": "chosen",
        },
    )


def units() -> Network:
    """A network in which every value has a unit."""
    return Network(
        name="units",
        dt="0.04 ms",
        populations=[
            Population(
                name="res",
                n=20,
                bias="1000 pA",
                noise=Noise(sigma="5 pA*s**0.5"),
                neuron=izh2007(
                    v_t="v_r + 40*mV - b/k", initial={"v": Uniform("-60 mV", "30 mV"), "u": "0 pA"}
                ),
            ),
            Population(
                name="out", n=3, neuron=lif(tau_m=["10 ms", "20 ms", "30 ms"], t_ref=Uniform("1 ms", "2 ms"))
            ),
        ],
        projections=[
            Projection(
                pre="res",
                post="res",
                connectivity=Sparse(0.1),
                constants={"G": "5e3 pA*ms"},
                latents={"xi": Normal(0, 1)},
                weight="G*xi/(p*sqrt(n_pre))",
                delay=Uniform("1 ms", "2 ms"),
                synapse=double_exponential("2 ms", "20 ms", method="semi_exact"),
            ),
            Projection(
                pre="res", post="out", connectivity=LowRank(2, Normal(0, 1), np.ones((20, 2))), weight="20 pA"
            ),
        ],
        inputs=[
            Input(name="drive", target="res", unit="A", weight=2.0),
            Input(name="cue", target="out", weight="3 pA"),
        ],
        readouts=[
            Readout(
                name="z",
                source="res",
                period="0.8 ms",
                rule=RLS(alpha=0.5, normalized=False, active=[["5 s", "10 s"]]),
                filter=Filter(model="double_exponential", method="semi_exact", parameters={"area": "1 ms"}),
                feedback=Feedback(target="res", scale=Uniform("-5 nA", "5 nA")),
            ),
            Readout(name="y", source=["out"], rule=Delta(learning_rate=0.1, w_min=-1, w_max=1)),
        ],
    )


NETWORKS = {"reservoir": reservoir, "units": units}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
class TestRoundTrip:
    def test_toml(self, make: Any) -> None:
        net = make()
        back = Network.from_toml(net.to_toml())
        assert back.sha256 == net.sha256
        assert back.to_dict() == net.to_dict()
        assert dict(back.sources) == dict(net.sources)

    def test_json(self, make: Any) -> None:
        net = make()
        back = Network.from_json(net.to_json())
        assert back == net
        assert back.to_json() == net.to_json()

    def test_files(self, make: Any, tmp_path: Path) -> None:
        net = make()
        (tmp_path / "model.toml").write_text(net.to_toml(), encoding="utf-8")
        (tmp_path / "model.json").write_text(net.to_json(), encoding="utf-8")
        assert Network.from_toml(tmp_path / "model.toml") == net
        assert Network.from_json(str(tmp_path / "model.json")) == net

    def test_pickle_and_copy(self, make: Any) -> None:
        net = make()
        for back in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), copy.copy(net)):
            assert back == net and hash(back) == hash(net)
            assert dict(back.sources) == dict(net.sources)

    def test_replacing_nothing_changes_nothing(self, make: Any) -> None:
        net = make()
        assert net.replace() == net
        assert dataclasses.replace(net) == net

    def test_every_path_can_be_read_and_set_to_itself(self, make: Any) -> None:
        net = make()
        for path in net.paths():
            assert net.with_(path, net.get(path)) == net, path


@given(value=st.floats(min_value=1e-6, max_value=0.9, allow_subnormal=False), current=st.floats(-1e-6, 1e-6))
def test_any_float_survives_toml_and_json(value: float, current: float) -> None:
    net = Network(
        name="n",
        dt="1 us",
        populations=[
            Population(name="p", n=1, neuron=lif(tau_m=Quantity(value, "s")), bias=Quantity(current, "A"))
        ],
    )
    for back in (Network.from_toml(net.to_toml()), Network.from_json(net.to_json())):
        assert back.get("populations.p.neuron.tau_m") == value
        assert back.get("populations.p.bias") == current
        assert back.sha256 == net.sha256


@given(text=st.text(max_size=40))
def test_any_text_survives_toml(text: str) -> None:
    if any(0xD800 <= ord(c) < 0xE000 for c in text):
        return
    net = Network(
        name="n", dt="1 ms", populations=[Population(name="p", n=1)], description=text, task={"kind": text}
    )
    back = Network.from_toml(net.to_toml())
    assert back.description == text
    assert back.task["kind"] == text


class TestHash:
    def test_ignores_sources_description_and_notation(self) -> None:
        net = reservoir()
        other = net.replace(description="another", sources={}).with_("dt", "500 us")
        assert other.sha256 == net.sha256 and other == net

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("populations.exc.n", 49),
            ("populations.exc.neuron.b", 0.2 + 1e-16),
            ("dt", "0.25 ms"),
            ("name", "other"),
            ("populations.exc.neuron.method", "euler"),
            ("projections.exc->inh.synapse.tau_syn", "51 ms"),
            ("projections.dense.connectivity.allow_self", True),
            ("readouts.pred.rule.eta_when", 0.2),
            ("projections.exc->exc.weight", [0.1, 0.2, 0.30000001]),
            ("task.blocks.0.n_trials", 151),
            ("record.every", "2 ms"),
            ("readouts.force.rule.reset_at", []),
        ],
    )
    def test_sees_every_change(self, path: str, value: Any) -> None:
        changed = reservoir().with_(path, value)
        if path.endswith("neuron.b"):
            assert (changed.sha256 == reservoir().sha256) == (0.2 + 1e-16 == 0.2)
        else:
            assert changed.sha256 != reservoir().sha256

    def test_is_the_same_in_every_session(self) -> None:
        net = Network(name="pinned", dt="0.1 ms", populations=[Population(name="exc", n=3, neuron=lif())])
        again = Network.from_json(json.dumps(json.loads(net.to_json()), sort_keys=True))
        assert again.sha256 == net.sha256
        assert len(net.sha256) == 64 and int(net.sha256, 16)

    def test_defaults_may_be_written_out(self) -> None:
        plain = Population(name="p", n=1, neuron=lif())
        spelt = Population(name="p", n=1, neuron=lif(tau_m="10 ms", method="exact"), bias="0 pA")
        assert plain == spelt and hash(plain) == hash(spelt)


class TestFrozen:
    def test_fields_cannot_be_set(self) -> None:
        net = reservoir()
        with pytest.raises(dataclasses.FrozenInstanceError):
            net.dt = 1.0  # type: ignore[misc]
        with pytest.raises(TypeError):
            net.populations["exc"] = None  # type: ignore[index]
        with pytest.raises(AttributeError):
            net.get("projections.exc->exc.weight").unit = "V"

    def test_arrays_are_read_only_copies(self) -> None:
        weights, pre = np.array([0.1, 0.2]), np.array([0, 1])
        projection = Projection(pre="a", post="b", connectivity=Edges(pre, pre), weight=weights)
        before = projection.weight.array.copy()
        weights[0], pre[0] = 9.0, 1
        assert np.array_equal(projection.weight.array, before) and projection.connectivity.pre[0] == 0
        for array in (projection.weight.array, projection.connectivity.pre):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        again = pickle.loads(pickle.dumps(projection))
        assert not again.weight.array.flags.writeable and not again.connectivity.pre.flags.writeable

    def test_given_tables_are_copied(self) -> None:
        latents, task = {"rho": Uniform(0, 1)}, {"kind": "what_when", "blocks": [1]}
        net = Network(
            name="n", dt="1 ms", populations=[Population(name="p", n=1, latents=latents)], task=task
        )
        latents["new"] = Uniform(0, 2)
        task["blocks"].append(2)  # type: ignore[attr-defined]
        assert list(net.populations["p"].latents) == ["rho"] and net.task["blocks"] == (1,)


class TestValues:
    def test_quantities_are_floats_in_si(self) -> None:
        neuron = lif(tau_m="20 ms")
        assert neuron.parameters["tau_m"] == 0.02 and repr(neuron.parameters["tau_m"]) == "20 ms"
        assert Projection(pre="a", post="b", connectivity=Dense(), weight=1, delay="1.5 ms").delay == 0.0015

    def test_a_part_may_be_rebuilt_from_its_own_values(self) -> None:
        neuron = lif(tau_m="20 ms")
        assert dataclasses.replace(neuron, method="euler").parameters["tau_m"] == 0.02
        assert lif(tau_m=neuron.parameters["tau_m"]) == neuron

    def test_expressions_may_use_parameters_latents_and_units(self) -> None:
        cells = Population(
            name="p",
            n=3,
            latents={"t": Uniform("1 ms", "2 ms")},
            neuron=lif(tau_m="5*t + 3*ms", v_thresh="v_rest + 20*mV"),
        )
        assert cells.neuron.parameters["tau_m"] == "5*t + 3*ms"

    def test_order_of_parameters_follows_their_expressions(self) -> None:
        order = parameter_order({"c": "a + b", "b": "2*a", "a": 1.0, "d": Uniform(0, 1)}, where="test")
        assert order.index("a") < order.index("b") < order.index("c") and set(order) == set("abcd")

    def test_weight_units_follow_synapse_and_target(self) -> None:
        cells, model = Population(name="p", n=1, neuron=lif()), Population(name="q", n=1, neuron=izh2003())
        found = [
            synapse_weight_unit(s, p)
            for p in (cells, model)
            for s in (exponential(), double_exponential(), delta())
        ]
        assert found == ["A", "A*s", "V", "1", "s", "1"]

    def test_steps_round_half_up(self) -> None:
        assert [to_steps(t * 1e-3, 1e-3) for t in (0.0, 0.49, 0.5, 1.49, 1.5, 7.0)] == [0, 0, 1, 1, 2, 7]

    def test_values_take_units(self) -> None:
        assert Values([1, 2], "ms").array.tolist() == [1e-3, 2e-3]
        assert Values(["1 ms", "2 s"]) == Values([1e-3, 2.0], "s")

    def test_arrays_with_a_unit_in_files(self) -> None:
        net = units()
        again = Network.from_toml(net.to_toml())
        assert again.get("populations.out.neuron.tau_m").array.tolist() == [0.01, 0.02, 0.03]

    def test_brian_quantities_are_taken(self) -> None:
        pint = pytest.importorskip("pint")
        unit = pint.UnitRegistry()
        assert lif(tau_m=20 * unit.ms).parameters["tau_m"] == pytest.approx(0.02)


class TestDistributions:
    CASES = (
        (Uniform(2, 4), 3.0, 2 / np.sqrt(12)),
        (Normal(-1, 0.5), -1.0, 0.5),
        (LogUniform(1, np.e), np.e - 1, np.sqrt((np.e**2 - 1) / 2 - (np.e - 1) ** 2)),
        (LogNormal(2, 0.5), 2.0, 0.5),
        (Exponential("200 ms"), 0.2, 0.2),
    )

    @pytest.mark.parametrize(("distribution", "mean", "sd"), CASES)
    def test_moments(self, distribution: Any, mean: float, sd: float) -> None:
        drawn = distribution.sample(np.random.default_rng(1), 100_000)
        assert drawn.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(1e5))
        assert drawn.std() == pytest.approx(sd, rel=0.03)
        low, high = distribution.support
        assert drawn.min() >= low and drawn.max() <= high

    def test_unit_is_that_of_the_parameters(self) -> None:
        assert Uniform("1 ms", "2 ms").unit == "s" and Normal(0, 1).unit == "1"


class TestPaths:
    def test_reads_and_sets(self) -> None:
        net = reservoir()
        assert net.get("populations.exc.neuron.b") == 0.2
        assert net.with_("populations.exc.neuron.b", 0.25).get("populations.exc.neuron.b") == 0.25
        assert net.get("populations.exc.neuron.b") == 0.2
        assert net.with_("task.blocks.0.latency", "500 ms").task["blocks"][0]["latency"] == "500 ms"
        assert net.with_("populations.exc.neuron.a.high", 0.03).get("populations.exc.neuron.a").high == 0.03
        assert (
            net.with_("populations.exc.neuron", izh2003(preset="FS")).get("populations.exc.neuron.a") == 0.1
        )

    def test_changes_are_checked_together(self) -> None:
        net = units()
        pair = {"populations.out.neuron.v_reset": "-40 mV", "populations.out.neuron.v_thresh": "-30 mV"}
        assert net.replace(pair).get("populations.out.neuron.v_reset") == -0.04
        with pytest.raises(SpecError, match="v_reset"):
            net.with_(*next(iter(pair.items())))

    def test_changed_values_lose_their_source(self) -> None:
        net = reservoir()
        changed = net.with_("populations.exc.neuron.a", 0.05)
        assert "populations.exc.neuron.a" in net.sources and "populations.exc.neuron.a" not in changed.sources
        assert "populations.exc.neuron" in changed.sources
        assert not any(path.startswith("task") for path in net.with_("task.blocks", []).sources)

    def test_all_paths_are_listed_once(self) -> None:
        paths = reservoir().paths()
        assert len(set(paths)) == len(paths)
        for path in (
            "dt",
            "populations.exc.noise.sigma",
            "projections.exc->inh.constants.g",
            "readouts.pred.rule.eta_when",
        ):
            assert path in paths

    @pytest.mark.parametrize(
        ("path", "near"),
        [
            ("populations.exc.neuron.aa", "populations.exc.neuron.a"),
            ("populations.ex.n", "populations.exc.n"),
            ("record.evry", "record.every"),
            ("readouts.pred.rule.eta_wen", "readouts.pred.rule.eta_when"),
        ],
    )
    def test_unknown_paths_name_the_nearest(self, path: str, near: str) -> None:
        for act in (lambda: reservoir().with_(path, 1), lambda: reservoir().get(path)):
            with pytest.raises(UnknownNameError) as caught:
                act()
            assert near in str(caught.value)

    def test_a_path_through_an_unset_part_says_what_to_set(self) -> None:
        with pytest.raises(SpecError, match=r"populations\.inh\.noise is not set"):
            reservoir().with_("populations.inh.noise.sigma", 0.1)
        noisy = reservoir().with_("populations.inh.noise", {"sigma": 0.1})
        assert noisy.get("populations.inh.noise.sigma") == 0.1


class TestSources:
    TEXT = """
        name = "sourced"
        dt = {value = "0.1 ms", source = "chosen: resolves the delays"}
        [populations.exc]
        n = {value = 10, source = "paper, table 1"}
        [populations.exc.neuron]
        model = "lif"
        tau_m = {dist = "uniform", low = "10 ms", high = "20 ms", source = "paper, figure 2"}
        v_rest = "-60 mV"
        [sources]
        "populations.exc.bias" = "none in the paper"
    """

    def test_are_taken_out_of_the_values(self) -> None:
        net = Network.from_toml(self.TEXT)
        assert net.dt == 1e-4 and net.get("populations.exc.neuron.tau_m") == Uniform("10 ms", "20 ms")
        assert dict(net.sources) == {
            "dt": "chosen: resolves the delays",
            "populations.exc.n": "paper, table 1",
            "populations.exc.neuron.tau_m": "paper, figure 2",
            "populations.exc.bias": "none in the paper",
        }

    def test_values_without_one_are_listed_and_defaults_are_not(self) -> None:
        assert Network.from_toml(self.TEXT).unsourced() == ("populations.exc.neuron.v_rest",)

    def test_survive_writing(self) -> None:
        net = Network.from_toml(self.TEXT)
        assert Network.from_toml(net.to_toml()).unsourced() == net.unsourced()

    def test_of_unknown_paths_are_refused(self) -> None:
        with pytest.raises(UnknownNameError, match=r"populations\.exc\.neuron\.tau_m"):
            Network.from_toml(
                self.TEXT.replace('"populations.exc.bias" =', '"populations.exc.neuron.tau_n" =')
            )


class TestFiles:
    @pytest.mark.parametrize(
        "text",
        [
            '{"name": NaN}',
            '{"name": Infinity}',
            '{"dt": 1e400}',
            '{"dt": 1, "dt": 2}',
            "[1]",
            "{",
            "[" * 100_000,
        ],
    )
    def test_json_that_is_not_strict(self, text: str) -> None:
        with pytest.raises(FileFormatError):
            Network.from_json(text)

    @pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2", "[a]\n[a]"])
    def test_toml_that_does_not_parse(self, text: str) -> None:
        with pytest.raises(FileFormatError):
            Network.from_toml(text)

    def test_toml_with_a_date_or_an_unknown_table(self) -> None:
        good = 'name = "n"\ndt = "1 ms"\n[populations.p]\nn = 1\n'
        with pytest.raises(SpecError):
            Network.from_toml(good + "bias = 1979-05-27\n")
        with pytest.raises(UnknownNameError, match="populations"):
            Network.from_toml(good + "[population]\nn = 2\n")

    def test_another_format_is_refused(self) -> None:
        with pytest.raises(SpecError, match="format"):
            Network.from_dict({**reservoir().to_dict(), "format": 2})

    @pytest.mark.parametrize("what", ["missing", "folder", "binary"])
    def test_files_that_cannot_be_read(self, what: str, tmp_path: Path) -> None:
        path = tmp_path / "x.toml"
        if what == "folder":
            path.mkdir()
        elif what == "binary":
            path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(FileFormatError) as caught:
            Network.from_toml(path)
        assert "x.toml" in str(caught.value)

    def test_device_is_not_read(self) -> None:
        with pytest.raises(FileFormatError):
            Network.from_toml(Path("/dev/null"))


def test_notes_say_what_is_rounded() -> None:
    net = units().replace({"populations.out.neuron.t_ref": "1.01 ms", "record.every": "0.1 ms"})
    assert any("t_ref = 1.01 ms is rounded to 25 steps" in note for note in net.notes)
    assert any("every" in note for note in net.notes)
    assert not any("period" in note for note in net.notes)


def test_distributions_can_be_copied_and_sent_to_another_process() -> None:
    drawn = Uniform("1 ms", "5 ms")
    assert copy.deepcopy(drawn) == pickle.loads(pickle.dumps(drawn)) == drawn


def test_what_is_recorded_twice_is_recorded_once() -> None:
    record = Record(spikes=["exc", "exc"], readouts=["z", "z"])
    assert (record.spikes, record.readouts) == (("exc",), ("z",))


def test_parts_by_name_keep_their_order() -> None:
    net = reservoir()
    assert list(net.populations) == ["exc", "inh"]
    assert list(net.projections) == ["exc->inh", "inh->exc", "exc->exc", "dense"]


def test_equal_parts_are_equal_and_hash_alike() -> None:
    assert Sparse(0.1) == Sparse(0.1) and Sparse(0.1) != Sparse(0.2) and Sparse(0.1) != Dense()
    assert len({Sparse(0.1), Sparse(0.1), Dense()}) == 2
    assert Neuron(model="lif") != Neuron(model="izh2003")


def test_shows_itself() -> None:
    net = reservoir()
    assert "exc 48" in repr(net) and net.sha256[:8] in repr(net)
    page = net._repr_html_()
    assert page.count("<tr>") == 2 + 4 + 2 + 2 and "exc-&gt;inh" in page


def test_bare_numbers_are_refused_with_the_likely_meaning() -> None:
    with pytest.raises(UnitsError, match="20 ms"):
        lif(tau_m=20)
