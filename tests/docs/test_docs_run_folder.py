"""docs/run-folder.md shows the records that a run writes: the same files, the same keys."""

from __future__ import annotations

import json
import re

import pytest
from docs_blocks import REPOSITORY, SMALL

TEXT = (REPOSITORY / "docs" / "run-folder.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- example: (\S+)(?: (\w+)=(\w+))? -->\n```json\n(.*?)```", re.DOTALL)


def keys(value, prefix=""):
    """All keys of nested objects, dotted."""
    if not isinstance(value, dict):
        return set()
    return {f"{prefix}{k}" for k in value}.union(*(keys(v, f"{prefix}{k}.") for k, v in value.items()))


@pytest.mark.slow
def test_the_examples_have_the_keys_of_a_real_run(tmp_path, cli):
    done = cli(*SMALL, "training.per_device_train_batch_size=16", "hydra.run.dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    examples = EXAMPLE.findall(TEXT)
    assert len(examples) == 5
    for file, key, value, text in examples:
        written = (tmp_path / "run" / file).read_text(encoding="utf-8")
        records = [json.loads(line) for line in written.splitlines()] if file.endswith("l") else [json.loads(written)]
        record = next(r for r in records if not key or r[key] == value)
        assert keys(json.loads(text)) == keys(record), file
    described = set(re.findall(r"`([\w./<>-]+)`", TEXT))
    for path in (tmp_path / "run").iterdir():
        assert path.name in described or f"{path.name}/" in described
    for path in (tmp_path / "run" / "logs").iterdir():
        assert path.name in described
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text(encoding="utf-8"))
    assert set(provenance) <= described
