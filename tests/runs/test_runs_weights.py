"""Final weights compared without torch, against torch: hashes, counts and largest differences."""

import pytest
import torch
from safetensors.torch import save_file

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.runs.weights import count_values, hash_weights, largest_difference


def model(folder, tensors, files=1):
    folder.mkdir()
    names = sorted(tensors)
    for i in range(files):
        part = {name: tensors[name] for name in names[i::files]}
        save_file(part, folder / f"model-{i}.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    kinds = {"a": torch.float32, "b": torch.bfloat16, "c": torch.float16}
    return {name: torch.randn(7, 5).to(kind) for name, kind in kinds.items()}


def test_how_a_model_is_cut_into_files_does_not_count(tmp_path, tensors):
    assert hash_weights(model(tmp_path / "one", tensors)) == hash_weights(model(tmp_path / "three", tensors, files=3))
    assert count_values(tmp_path / "three") == 3 * 35
    assert largest_difference(tmp_path / "one", tmp_path / "three") == ("", 0.0)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_largest_difference_is_found_in_every_type(tmp_path, tensors, name):
    before = model(tmp_path / "before", tensors)
    changed = {n: t.clone() for n, t in tensors.items()}
    changed[name][3, 2] += 0.5
    after = model(tmp_path / "after", changed, files=2)
    assert hash_weights(before) != hash_weights(after)
    expected = (changed[name].double() - tensors[name].double()).abs().max().item()
    assert largest_difference(before, after) == (name, pytest.approx(expected, rel=1e-12))


def test_other_tensors_have_no_difference_in_numbers(tmp_path, tensors):
    other = {**tensors, "a": torch.zeros(5, 7)}
    a, b = model(tmp_path / "x", tensors), model(tmp_path / "y", other)
    assert largest_difference(a, b) is None
    assert hash_weights(tmp_path) is None


def test_the_embedded_model_has_the_parameters_it_says():
    assert count_values(EMBEDDED_MODEL) == 125_568
