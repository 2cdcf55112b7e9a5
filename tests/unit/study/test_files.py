"""Studies as TOML files: what they say is what is made, and nothing else gets in."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

import arcuate as arc
from arcuate.errors import ArcuateError, FileFormatError, SpecError, UnknownNameError
from arcuate.models import list_studies
from arcuate.study import study_from_description
from arcuate.study._file_function import FileFunction
from arcuate.study.files import load_study

NETWORK = """
name = "five"
dt = "0.5 ms"
[populations.exc]
n = 5
neuron = { model = "lif" }
bias = "0.5 nA"
"""
MEASURE = '''
"""Functions of a test."""
FACTOR = 2.0

def rate(recording):
    return {"hz": FACTOR * recording.spikes("exc").sizes["spike"]}

def train(eta, seed=0):
    return {"loss": 1.0 / eta + seed}

class Thing:
    pass

_hidden = rate
'''
STUDY = """
name = "small"
description = "A study of a test."
model = "net.toml"
measure = "measure.py:rate"
duration = "100 ms"
seed = 3
[set]
"populations.exc.n" = 7
[record]
spikes = ["exc"]
[design]
repeat = "0-2"
[design.values]
"populations.exc.bias" = ["0.4 nA", "0.5 nA"]
[run]
n_jobs = 1
time_limit = "10 s"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with a network, functions and a study."""
    (tmp_path / "net.toml").write_text(NETWORK)
    (tmp_path / "measure.py").write_text(MEASURE)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def changed(folder: Path, old: str, new: str) -> Path:
    """A study file with a piece replaced."""
    assert old in STUDY
    path = folder / "changed.toml"
    path.write_text(STUDY.replace(old, new))
    return path


def test_a_file_gives_the_study_that_one_would_write(folder: Path) -> None:
    study = load_study(folder / "study.toml")
    net = arc.Network.from_toml(folder / "net.toml").replace({"populations.exc.n": 7})
    by_hand = arc.Study(
        net,
        arc.Design.grid({"populations.exc.bias": ["0.4 nA", "0.5 nA"]}).repeat(range(3)),
        study.measure,
        name="small",
        duration="100 ms",
        seed=3,
        record=arc.Record(spikes=["exc"]),
    )
    assert study.keys() == by_hand.keys()
    assert study.fingerprint == by_hand.fingerprint
    assert (study.name, study.seed, study.duration) == ("small", 3, 0.1)
    assert study.defaults == {"n_jobs": 1, "time_limit": "10 s"}


def test_a_study_without_a_name_has_that_of_its_file(folder: Path) -> None:
    assert load_study(changed(folder, 'name = "small"\n', "")).name == "changed"


def test_changes_come_after_those_of_the_file(folder: Path) -> None:
    study = load_study(folder / "study.toml", changes={"populations.exc.n": 9})
    assert study.network(study.design[0]).populations["exc"].n == 9


DESIGNS = {
    "points": (
        '[[points]]\n"populations.exc.bias" = "0.4 nA"\n[[points]]\n"populations.exc.bias" = "0.5 nA"',
        arc.Design.points([{"populations.exc.bias": "0.4 nA"}, {"populations.exc.bias": "0.5 nA"}]),
    ),
    "random": (
        '[ranges]\n"populations.exc.bias" = { dist = "uniform", low = "0.4 nA", high = "0.5 nA" }',
        arc.Design.random({"populations.exc.bias": arc.Uniform("0.4 nA", "0.5 nA")}, 4, seed=7),
    ),
    "sobol": (
        '[ranges]\n"populations.exc.bias" = { dist = "loguniform", low = "0.4 nA", high = "0.5 nA" }\n'
        '"populations.exc.n" = [5, 10]',
        arc.Design.sobol(
            {"populations.exc.bias": arc.LogUniform("0.4 nA", "0.5 nA"), "populations.exc.n": [5, 10]},
            4,
            seed=7,
        ),
    ),
    "latin_hypercube": (
        '[ranges]\n"populations.exc.bias" = { dist = "normal", mean = "0.4 nA", sd = "0.01 nA" }',
        arc.Design.latin_hypercube({"populations.exc.bias": arc.Normal("0.4 nA", "0.01 nA")}, 4, seed=7),
    ),
}


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_kind_of_design(folder: Path, kind: str) -> None:
    text, expected = DESIGNS[kind]
    options = "" if kind == "points" else "n = 4\nseed = 7\n"
    table = text.replace("[[points", "[[design.points").replace("[ranges", "[design.ranges")
    start = STUDY.index("[design]")
    (folder / "other.toml").write_text(f'{STUDY[:start]}[design]\nkind = "{kind}"\n{options}{table}\n')
    found = load_study(folder / "other.toml").design
    assert [dict(point.values) for point in found] == [dict(point.values) for point in expected]


def test_values_may_be_distributions_and_a_constraint_sifts(folder: Path) -> None:
    values = '"populations.exc.bias" = ["0.4 nA", { dist = "uniform", low = "0.4 nA", high = "0.5 nA" }]'
    path = changed(folder, '"populations.exc.bias" = ["0.4 nA", "0.5 nA"]', values)
    assert load_study(path).design[3].values["populations.exc.bias"] == arc.Uniform("0.4 nA", "0.5 nA")
    path = changed(folder, "[design]\n", '[design]\nwhere = "bias > 0.45*nA"\n')
    assert len(load_study(path).design) == 3


class TestFunctions:
    def test_a_function_of_the_file_beside_may_be_the_model(self, folder: Path) -> None:
        path = folder / "train.toml"
        path.write_text('model = "measure.py:train"\n[design.values]\neta = [0.5, 2.0]\nseed = [1, 2]\n')
        study = load_study(path)
        assert study.metrics(study.spec(**study.arguments(study.design[1]))) == {"loss": 4.0}

    def test_a_function_of_this_package_may_measure(self, folder: Path) -> None:
        study = load_study(changed(folder, "measure.py:rate", "arcuate.analysis:summary"))
        assert study.measure is arc.analysis.summary

    def test_it_travels_to_another_process_as_a_name_and_a_hash(self, folder: Path) -> None:
        measure = load_study(folder / "study.toml").measure
        assert isinstance(measure, FileFunction)
        assert pickle.loads(pickle.dumps(measure)) == measure
        assert len(pickle.dumps(measure)) < 1000

    def test_a_change_anywhere_in_the_file_is_noticed(self, folder: Path) -> None:
        before = load_study(folder / "study.toml")
        (folder / "measure.py").write_text(MEASURE.replace("2.0", "3.0"))
        after = load_study(folder / "study.toml")
        assert before.fingerprint["measure"] != after.fingerprint["measure"]
        assert before.keys() == after.keys()

    def test_a_store_finds_the_file_again_or_says_where_it_was(self, folder: Path) -> None:
        study = load_study(folder / "study.toml")
        again = study_from_description(json.loads(json.dumps(study.describe())))
        assert again.keys() == study.keys() and again.fingerprint == study.fingerprint
        assert again.defaults == study.defaults != {}
        description = study.describe()
        (folder / "measure.py").unlink()
        with pytest.raises(SpecError, match=r"measure\.py any more.*Run the file"):
            study_from_description(description)

    def test_a_file_that_changed_since_is_not_run(self, folder: Path) -> None:
        made = FileFunction(folder / "measure.py", "train")
        (folder / "measure.py").write_text(MEASURE + "\n# other\n")
        with pytest.raises(FileFormatError, match="not the file"):
            made(eta=1.0)

    @pytest.mark.parametrize("file", ["os.py", "borrowed.py"])
    def test_a_store_names_no_function_that_no_file_of_the_user_defines(
        self, folder: Path, file: str
    ) -> None:
        (folder / "borrowed.py").write_text("from os import system\n")
        description = arc.Study(lambda command: {"a": 1}, {"command": ["true"]}).describe()
        place = os.__file__ if file == "os.py" else str(folder / file)
        description["target"].update(path=f"{file}:system", name="system", file=place)
        with pytest.raises(SpecError, match="written in a file of yours"):
            study_from_description(description)


PHASES, GAIN, UNEQUAL, RATE = PUBLISHED = [
    "abrupt_icl/phases",
    "what_when_reservoir/gain_time_constant",
    "what_when_reservoir/heterogeneity_noise",
    "what_when_reservoir/learning_rate_latency",
]
POINTS = {PHASES: 18, GAIN: 72, UNEQUAL: 80, RATE: 84}


def test_the_studies_that_are_published() -> None:
    assert list(list_studies()) == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_study_loads_and_says_what_it_is(name: str) -> None:
    study = load_study(name)
    assert study.name == name.partition("/")[2]
    assert len(study.keys()) == POINTS[name]
    assert study.defaults["time_limit"] in ("300 s", "1200 s")
    assert study.dry_run(probe=False).points == len(study.design)


SHORT: dict[str, dict[str, Any]] = {
    PHASES: {"n_classes": [64], "burstiness": [2, 4], "rank_exponent": [0.0], "steps": [40]},
    GAIN: {"gain": [0.1, 0.3], "tau_syn": ["50 ms"], "n_trials": [20]},
    UNEQUAL: {"heterogeneity": [0.0, 1.0], "noise": [0.1], "gain": [0.0], "n_trials": [20]},
    RATE: {"readouts.prediction.rule.eta_when": [0.03, 0.3], "task.blocks.1.latency": ["600 ms"]},
}
"""A few points of each published study, shorter where it is a function."""


@pytest.mark.parametrize(
    "name",
    [UNEQUAL, *(pytest.param(name, marks=pytest.mark.slow) for name in (PHASES, GAIN, RATE))],
)
def test_a_few_points_of_a_published_study(name: str, tmp_path: Path) -> None:
    published = load_study(name)
    options = {} if callable(published.spec) else {"record": published.record}
    study = arc.Study(published.spec, SHORT[name], published.measure, name=published.name, **options)
    table = study.run(tmp_path / "store", n_jobs=1)
    assert table["status"].tolist() == ["done"] * 2
    if name == UNEQUAL:  # equal cells without recurrence cannot tell time, unequal ones can
        assert table["error_ms"].iloc[0] > 50 > 10 > table["error_ms"].iloc[1]
    elif name == RATE:  # a fast rule re-adapts sooner
        assert table["trials_switch"].iloc[0] > table["trials_switch"].iloc[1]
    elif name == PHASES:  # half of a context is of the class that is asked for
        assert table["icl_novel"].between(0.1, 0.7).all()
    else:
        assert (table["error_ms"] < 20).all()
        assert (table["spikes_per_trial"] > 1000).all()


REFUSED = {
    "unknown key": ("seed = 3", "sed = 3", "seed"),
    "unknown table": ("[run]", "[runs]", "run"),
    "unknown key of run": ("n_jobs = 1", "n_job = 1", "n_jobs"),
    "a time without a unit": ('time_limit = "10 s"', "time_limit = 10", "unit"),
    "no process": ("n_jobs = 1", "n_jobs = 0", ">= 1"),
    "unknown key of design": ('repeat = "0-2"', 'repat = "0-2"', "repeat"),
    "unknown kind": ("[design]\n", '[design]\nkind = "gird"\n', "grid"),
    "unknown model": ("net.toml", "what_when_resevoir", "what_when_reservoir"),
    "unknown path": ("populations.exc.bias", "populations.exc.bais", "bias"),
    "unknown path to set": ("populations.exc.n", "populations.exc.m", "populations"),
    "unknown function": ("measure.py:rate", "measure.py:rat", "rate"),
    "hidden function": ("measure.py:rate", "measure.py:_hidden", "_hidden"),
    "no such file": ("measure.py:rate", "other.py:rate", "no file"),
    "a file elsewhere": ("measure.py:rate", "../measure.py:rate", "beside the study"),
    "an absolute file": ("measure.py:rate", "/tmp/measure.py:rate", "beside the study"),
    "a function of anything": ("measure.py:rate", "os:system", "beside the study"),
    "a name that only begins so": ("measure.py:rate", "arcuate_evil:run", "beside the study"),
    "no module": ("measure.py:rate", "arcuate.nothing:run", "no module"),
    "a number as measure": ('"measure.py:rate"', "3", "beside the study"),
    "a date": ('duration = "100 ms"', "duration = 2026-01-01", "duration"),
    "a number as name": ('name = "small"', "name = 3", "text"),
    "no unit": ('duration = "100 ms"', "duration = 100", "text"),
    "a seed that is none": ("seed = 3", "seed = -1", "seed"),
    "not a number": ("seed = 3", "seed = nan", "finite"),
    "a table that is none": ('[set]\n"populations.exc.n" = 7', "set = 3", "table"),
    "no model": ('model = "net.toml"\n', "", "must be in every study"),
    "no values": ('"populations.exc.bias" = ["0.4 nA", "0.5 nA"]', "", "at least one field"),
    "one value": ('["0.4 nA", "0.5 nA"]', '"0.4 nA"', "list"),
    "seeds that are none": ('"0-2"', '"2-0"', "rising"),
    "an unknown distribution": ('"0.4 nA", ', '{ dist = "unifrom", low = 1, high = 2 }, ', "uniform"),
    "an unknown record": ("spikes =", "spiks =", "spikes"),
    "not TOML": ("[set]", "[set", "cannot be parsed"),
    "a key twice": ("seed = 3", "seed = 3\nseed = 4", "cannot be parsed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_study_says_is_refused_with_name_and_way_out(folder: Path, case: str) -> None:
    old, new, word = REFUSED[case]
    with pytest.raises(ArcuateError) as caught:
        load_study(changed(folder, old, new))
    message = str(caught.value)
    assert word in message
    assert message.count("\n") < 4


def test_settings_do_not_go_with_a_function(folder: Path) -> None:
    path = folder / "train.toml"
    path.write_text(
        'model = "measure.py:train"\n[set]\n"populations.exc.n" = 3\n[design.values]\neta = [1.0]\n'
    )
    with pytest.raises(SpecError, match="Vary a parameter"):
        load_study(path)


def test_a_file_that_fails_when_it_is_read_is_named(folder: Path) -> None:
    (folder / "measure.py").write_text("import nothing_like_it\n")
    with pytest.raises(FileFormatError, match="ModuleNotFoundError"):
        load_study(folder / "study.toml")


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "device", "fifo", "loop", "suffix"])
def test_files_that_are_none(tmp_path: Path, kind: str) -> None:
    import os

    path: Path = tmp_path / "study.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "suffix":
        path = tmp_path / "study.txt"
    with pytest.raises(FileFormatError):
        load_study(path)


def test_a_name_that_is_not_published_is_named_with_its_neighbor() -> None:
    with pytest.raises(UnknownNameError, match="gain_time_constant"):
        load_study("what_when_reservoir/gain_time_constants")
    with pytest.raises(SpecError, match="path of a TOML file"):
        load_study(3)  # type: ignore[arg-type]


def test_the_folder_of_studies_is_no_model() -> None:
    assert not any("studies" in name for name in arc.list_models())
