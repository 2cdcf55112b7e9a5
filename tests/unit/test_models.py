"""Published models: found in a checkout and in a wheel, listed, loaded by name only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import arcuate.models
from arcuate.errors import FileFormatError, SpecError, UnknownNameError
from arcuate.models import (
    list_models,
    list_trainings,
    load_model,
    load_training,
    model_folder,
    model_sha256,
    models_folder,
)

SPECIFICATION = (
    'name = "tiny"\ndt = "0.1 ms"\n[populations.exc]\nn = 2\n[populations.exc.neuron]\nmodel = "lif"\n'
)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish two models, one with a variant."""
    for name in ("tiny", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.toml").write_text(SPECIFICATION, encoding="utf-8")
    (tmp_path / "tiny" / "expected.toml").write_text("", encoding="utf-8")
    (tmp_path / "tiny" / "slow.toml").write_text(SPECIFICATION.replace("0.1", "0.05"), encoding="utf-8")
    (tmp_path / "notes").mkdir()
    monkeypatch.setattr(arcuate.models, "models_folder", lambda: tmp_path)
    return tmp_path


@pytest.mark.usefixtures("published")
class TestNames:
    def test_models_are_listed_with_their_variants(self) -> None:
        assert list_models() == ("other", "tiny", "tiny/slow")

    def test_a_model_and_a_variant_are_loaded(self) -> None:
        assert load_model("tiny").dt == 0.0001
        assert load_model("tiny/slow").dt == 0.00005

    def test_the_folder_of_a_variant_is_its_model_s(self, published: Path) -> None:
        assert model_folder("tiny/slow") == model_folder("tiny") == published / "tiny"

    def test_the_nearest_name_is_offered(self) -> None:
        with pytest.raises(UnknownNameError, match="'other'"):
            load_model("othr")

    @pytest.mark.parametrize("name", ["../tiny", "tiny/expected", "tiny/", "", "notes", "tiny\0", "TINY"])
    def test_nothing_else_is_ever_opened(self, name: str) -> None:
        with pytest.raises(UnknownNameError):
            load_model(name)

    @pytest.mark.parametrize("name", [None, 3, b"tiny", ["tiny"]])
    def test_a_name_is_text(self, name: Any) -> None:
        with pytest.raises(SpecError, match="name"):
            load_model(name)


class TestTrainings:
    def test_a_training_has_a_table_of_values(self, published: Path) -> None:
        (published / "trained").mkdir()
        text = 'name = "trained"\n[parameters]\nn = { value = 3, source = "paper" }\n'
        (published / "trained" / "training.toml").write_text(text, encoding="utf-8")
        assert list_trainings() == ("trained",)
        assert "trained" not in list_models()
        assert load_training("trained") == {"name": "trained", "parameters": {"n": 3}}
        assert model_folder("trained") == published / "trained"
        first = model_sha256("trained")
        (published / "trained" / "training.toml").write_text(text.replace("3", "4"), encoding="utf-8")
        assert model_sha256("trained") != first

    @pytest.mark.usefixtures("published")
    def test_a_specification_is_no_training_and_the_reverse(self) -> None:
        assert model_sha256("tiny") == load_model("tiny").sha256
        with pytest.raises(UnknownNameError):
            load_training("tiny")
        with pytest.raises(SpecError, match="name"):
            load_training(None)  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", list_trainings())
    def test_ours_make_the_estimators_they_name(self, name: str) -> None:
        import arcuate.compare
        import arcuate.connectome
        import arcuate.learning
        import arcuate.memory
        import arcuate.nn

        table = load_training(name)
        assert table["name"] == name
        if table["estimator"] in arcuate.memory.__all__:
            memory = getattr(arcuate.memory, table["estimator"])(**table["parameters"])
            assert type(memory).__name__ == table["estimator"]
            return
        known = (arcuate.learning, arcuate.connectome, arcuate.compare)
        homes = [home for home in known if table["estimator"] in home.__all__]
        if homes:
            made = getattr(homes[0], table["estimator"])(**table["parameters"]).get_params()
        else:
            pytest.importorskip("torch")
            memory = [arcuate.memory.PMIConfig(**table["memory"])] if "memory" in table else []
            made = vars(getattr(arcuate.nn, table["estimator"])(*memory, **table["parameters"]))
        kept = made.keys() & table["parameters"].keys()
        assert kept and all(made[key] == table["parameters"][key] for key in kept - {"shape"})

    def test_a_model_that_is_trained_is_not_loaded_as_a_network(self) -> None:
        with pytest.raises(UnknownNameError):
            load_model("eprop_pattern")


class TestFolder:
    def test_a_wheel_has_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "arcuate" / "_models").mkdir(parents=True)
        monkeypatch.setattr(arcuate.models, "__file__", str(tmp_path / "arcuate" / "models.py"))
        assert models_folder() == (tmp_path / "arcuate" / "_models").resolve()

    def test_a_checkout_has_them_beside_the_sources(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "models").mkdir()
        (tmp_path / "src" / "arcuate").mkdir(parents=True)
        monkeypatch.setattr(arcuate.models, "__file__", str(tmp_path / "src" / "arcuate" / "models.py"))
        with pytest.raises(FileFormatError, match="reinstall"):
            models_folder()  # a stray folder named models is not enough
        (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
        assert models_folder() == (tmp_path / "models").resolve()
