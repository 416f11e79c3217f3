"""The frozen config reads back as the same config, and holds no secret."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from grpo_cli.config.freeze import freeze


def test_secrets_stay_references_wherever_they_are_reached_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("PLAIN", "open")
    cfg = OmegaConf.create(
        {
            "token": "${oc.env:HF_TOKEN}",
            "again": "${token}",
            "inside": "Bearer ${oc.env:HF_TOKEN}!",
            "default": "${oc.env:NO_SUCH_API_KEY,null}",
            "plain": "${oc.env:PLAIN}",
            "list": ["${token}"],
        }
    )
    text = freeze(cfg)
    assert "hf_very_secret" not in text
    back = OmegaConf.create(text)
    assert OmegaConf.to_container(back, resolve=False)["plain"] == "open"
    assert (back.token, back.again, back.inside) == (
        "hf_very_secret",
        "hf_very_secret",
        "Bearer hf_very_secret!",
    )
    assert back.list[0] == "hf_very_secret"
    assert back.default is None
    assert cfg.token == "hf_very_secret"  # the resolver is back in place


@pytest.mark.parametrize(
    "text", ["\\${seed}", "costs \\${5}", "a\\b", "{{ jinja }} {% if x %}", "Ünï → ok", "1e-6", "on"]
)
def test_literal_text_reads_back_as_it_was(text: str) -> None:
    cfg = OmegaConf.create({"seed": 3, "text": text, "rate": 1e-6, "none": None, "empty": {}})
    back = OmegaConf.create(freeze(cfg))
    assert back.text == cfg.text
    assert back == OmegaConf.create(OmegaConf.to_container(cfg, resolve=True)) or "$" in text
    assert isinstance(back.rate, float) and back.rate == 1e-6
