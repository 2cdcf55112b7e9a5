"""Short-term plasticity against closed forms: regular trains, any train, the mean of Poisson trains."""

from __future__ import annotations

import numpy as np
import pytest

import arcuate as arc
from arcuate.spec import Values

DT, WEIGHT, REST, TAU = 0.1e-3, 1e-3, -65e-3, 0.1
KINDS = {
    "depressing": {"U": 0.5, "tau_rec": "100 ms", "tau_facil": "0 ms"},
    "facilitating": {"U": 0.1, "tau_rec": "20 ms", "tau_facil": "300 ms"},
    "both": {"U": 0.3, "tau_rec": "120 ms", "tau_facil": "80 ms"},
}


def released(trains: np.ndarray, kind: str, *, delay: str = "0 ms", low_rank: bool = False) -> np.ndarray:
    """Share of the weight delivered in each step to one listener per source, (n_steps, n_sources).

    A source fires in the step after one of its train; the listener's potential decays exactly.
    """
    n = trains.shape[1]
    own = np.arange(n)
    network = arc.Network(
        name="release",
        dt="0.1 ms",
        populations=[
            arc.Population(name="pre", n=n, neuron=arc.lif(t_ref="0 ms")),
            arc.Population(name="post", n=n, neuron=arc.lif(tau_m="100 ms", v_thresh="1 V")),
        ],
        projections=[
            arc.Projection(
                pre="pre", post="post", weight="1 mV", synapse=arc.delta(), delay=delay,
                connectivity=arc.LowRank(n, np.eye(n), np.eye(n)) if low_rank else arc.Edges(own, own),
                short_term=arc.TsodyksMarkram(**KINDS[kind]),
            )
        ],
        inputs=[
            arc.Input(
                name="train", target="pre", kind="spikes", n_channels=n, weight=Values(np.eye(n), "mA"),
                synapse=arc.pulse(),
            )
        ],
        record=arc.Record(spikes=["pre"], states={"post": ["v"]}, every="0.1 ms"),
    )  # fmt: skip
    recording = arc.simulate(
        network, f"{trains.shape[0] * DT!r} s", seed=1, inputs={"train": trains.astype(float)}
    )
    assert recording.spikes("pre").sizes["spike"] == int(trains[:-1].sum())
    y = np.asarray(recording.states("post")["v"].values[0]) - REST
    return (y - np.vstack([np.zeros((1, n)), y[:-1] * np.exp(-DT / TAU)])) / WEIGHT


def parameters(kind: str) -> tuple[float, float, float]:
    part = arc.TsodyksMarkram(**KINDS[kind])
    return float(part.U), float(part.tau_rec), float(part.tau_facil)


def decay(interval: float, tau: float) -> float:
    return float(np.exp(-interval / tau)) if tau > 0 else 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_regular_train_settles_at_the_closed_form(kind: str) -> None:
    every = 200  # 50 Hz
    trains = np.zeros((40_001, 1), bool)
    trains[::every] = True
    amount = released(trains, kind)
    amount = amount[np.abs(amount[:, 0]) > 1e-6, 0]
    u0, tau_rec, tau_facil = parameters(kind)
    f, r = decay(every * DT, tau_facil), decay(every * DT, tau_rec)
    u = u0 / (1.0 - (1.0 - u0) * f)
    x = (1.0 - r) / (1.0 - (1.0 - u) * r)
    assert amount[0] == pytest.approx(u0, rel=1e-10)
    assert amount[-1] == pytest.approx(u * x, rel=1e-9)
    assert abs(amount[-1] / amount[0] - 1.0) > 0.2


@pytest.mark.parametrize(("kind", "delay", "low_rank"), [("both", "0.7 ms", False), ("both", "0.7 ms", True)])
def test_any_train_follows_the_equations_spike_by_spike(kind: str, delay: str, low_rank: bool) -> None:
    rng = np.random.default_rng(3)
    trains = rng.random((4_000, 3)) < [0.01, 0.03, 0.08]  # several spikes on their way
    amount = released(trains, kind, delay=delay, low_rank=low_rank)
    u0, tau_rec, tau_facil = parameters(kind)
    wanted = np.zeros_like(amount)
    for neuron in range(3):
        u, x, before = 0.0, 1.0, 0
        for step in np.flatnonzero(trains[:, neuron]) + 1:
            since = (step - before) * DT
            u, x, before = u * decay(since, tau_facil), 1.0 - (1.0 - x) * decay(since, tau_rec), step
            u += u0 * (1.0 - u)
            if step + 7 < wanted.shape[0]:
                wanted[step + 7, neuron] = u * x
            x -= u * x
    np.testing.assert_allclose(amount, wanted, rtol=0, atol=1e-11)
    assert wanted.max() > 0.3


def test_mean_release_of_a_poisson_train() -> None:
    rate, n = 40.0, 200
    trains = np.random.default_rng(4).random((20_000, n)) < rate * DT
    amount = released(trains, "depressing")[4_000:]
    u0, tau_rec, _ = parameters("depressing")
    mean = amount.sum(axis=0) / (amount.shape[0] * DT)  # release per second of each source
    wanted = rate * u0 / (1.0 + u0 * rate * tau_rec)  # spikes do not know the resources they meet
    assert abs(mean.mean() - wanted) < 4 * mean.std() / np.sqrt(n)
    assert mean.std() / np.sqrt(n) < 0.01 * wanted


def test_the_specification_survives_a_file_and_is_varied_by_path() -> None:
    network = arc.Network(
        name="file",
        dt="0.1 ms",
        populations=[arc.Population(name="exc", n=4, neuron=arc.lif())],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=arc.Dense(), weight="2 nS",
                synapse=arc.double_exponential(e_rev="-80 mV"),
                short_term=arc.TsodyksMarkram(U=arc.Uniform(0.1, 0.3), tau_facil="tau_rec/2"),
            )
        ],
    )  # fmt: skip
    for again in (arc.Network.from_toml(network.to_toml()), arc.Network.from_json(network.to_json())):
        assert again.sha256 == network.sha256
    changed = network.replace({"projections.exc->exc.short_term.U": 0.7})
    assert changed.projections["exc->exc"].short_term.U == 0.7
    assert changed.sha256 != network.sha256
