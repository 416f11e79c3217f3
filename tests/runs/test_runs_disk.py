import errno
import os
import resource

import pytest

from grpo_cli.errors import RunError
from grpo_cli.runs.disk import saving, write_problem


def test_what_a_full_disk_means_is_said_and_the_part_removed(tmp_path):
    part = tmp_path / "checkpoint-5"
    with (
        pytest.raises(RunError, match=r"optimizer.pt could not be written: no space is left .* free some"),
        saving(part),
    ):
        part.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part / "optimizer.pt"))
    assert not part.exists()


def test_the_number_is_found_in_the_text_of_safetensors_and_in_a_cause(tmp_path):
    error = RuntimeError("Error while serializing: I/O error: File too large (os error 27)")
    assert "ulimit -f" in write_problem(error, tmp_path)
    wrapped = ValueError("saving failed")
    wrapped.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert "quota" in write_problem(wrapped, tmp_path)


def test_torch_says_nothing_and_the_limit_is_found_all_the_same(tmp_path):
    error = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")
    assert "is full or limited" in write_problem(error, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))
    try:
        assert "ulimit -f" in write_problem(error, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_another_error_stays_what_it_is(tmp_path):
    part = tmp_path / "model"
    part.mkdir()
    with pytest.raises(PermissionError), saving(part):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else.jsonl")
    assert part.exists()
