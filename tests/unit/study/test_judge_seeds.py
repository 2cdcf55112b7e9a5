"""Rows by seed, judged where something is expected and told whole."""

from __future__ import annotations

import math

from arcuate.study.reproduction import judge_seeds

EXPECTED = """
[[figure]]
name = "share"
what = "a share"
statistic = "all"
low = 0.5
seeds = "1-2"
source = "chosen: half"
"""


def test_expected_figures_are_judged_and_all_are_told(tmp_path):
    path = tmp_path / "expected.toml"
    path.write_text(EXPECTED, encoding="utf-8")
    rows = {1: {"share": 0.75, "other": 3.0}, 2: {"share": 0.25}}
    found = judge_seeds(str(path), rows)
    (figure,) = found["figures"]
    assert figure.values == {1: 0.75, 2: 0.25}
    assert figure.verdict == "fails"
    table = found["tables"]["measured"]
    assert table["figure"] == ["share", "other"]
    assert table["seed 1"] == [0.75, 3.0]
    assert table["seed 2"][0] == 0.25
    assert math.isnan(table["seed 2"][1])
