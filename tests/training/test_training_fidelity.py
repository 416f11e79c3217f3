"""The promise that grpo-train adds nothing to the algorithm: a bare TRL script gives the same run, bit for bit."""

import hashlib
import json
import subprocess
import sys

import pytest
from real_runs import environment, read_records

from grpo_cli.assets import EMBEDDED_MODEL

REWARD = """
def last_number(completions, answer, **kwargs):
    import re
    numbers = [re.findall(r"\\d+", c[0]["content"]) for c in completions]
    return [float(bool(found) and found[-1] == gold) for found, gold in zip(numbers, answer)]
"""

BARE = """
import json, sys
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from rewards import last_number

model, settings, out = sys.argv[1:]
rows = [json.loads(line) for line in open("rows.jsonl")]
data = Dataset.from_list([{"prompt": [{"role": "user", "content": r["prompt"]}], "answer": r["answer"]} for r in rows])
arguments = GRPOConfig(output_dir=out, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
                       disable_tqdm=True, **json.loads(settings))
trainer = GRPOTrainer(model, reward_funcs=last_number, args=arguments, train_dataset=data,
                      processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"))
trainer.train()
trainer.save_model(out)
if trainer.is_world_process_zero():
    json.dump(trainer.state.log_history, open("bare.json", "w"))
"""

SETTINGS = {
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "num_generations": 4,
    "max_completion_length": 40,
    "learning_rate": 5e-4,
    "max_steps": 6,
    "logging_steps": 1,
    "gradient_checkpointing": False,
    "beta": 0.04,
    "seed": 7,
}
TIMES = {"step_time", "train_runtime", "train_samples_per_second", "train_steps_per_second"}


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_settings_give_the_run_of_a_bare_trl_script(tmp_path, cli, processes):
    (tmp_path / "rewards.py").write_text(REWARD)
    (tmp_path / "bare.py").write_text(BARE)
    rows = [{"prompt": f"What is {100 + 7 * i}+{250 + 3 * i}?", "answer": str(350 + 10 * i)} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    accelerate = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no"
    launcher = [*accelerate.split(), "--dynamo_backend", "no", "--main_process_port", "0"] if processes > 1 else []
    subprocess.run(
        [sys.executable, *launcher, "bare.py", str(EMBEDDED_MODEL), json.dumps(SETTINGS), "bare-model"],
        cwd=tmp_path,
        env=environment(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", ACCELERATE_USE_CPU="true"),
        check=True,
        capture_output=True,
        timeout=300,
    )
    done = cli(
        "dataset=rows.jsonl",
        "dataset.test_size=0",
        "dataset.limit=null",
        "reward=rewards.py:last_number",
        *(f"training.{key}={value}" for key, value in SETTINGS.items()),
        f"launch.num_processes={processes}",
        "training.lr_scheduler_type=linear",
        "training.warmup_steps=0",
        "training.adam_beta2=0.999",
        "model.attn_implementation=auto",
        "hydra.run.dir=ours",
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    bare = [log for log in json.loads((tmp_path / "bare.json").read_text()) if "loss" in log]
    ours = read_records(tmp_path / "ours" / "metrics.jsonl", "train")
    assert len(bare) == len(ours) == SETTINGS["max_steps"]
    for theirs, mine in zip(bare, ours, strict=True):
        for key in theirs.keys() - TIMES:
            assert mine[key] == theirs[key], f"step {mine['step']}: {key}"
    assert digest(tmp_path / "ours" / "model") == digest(tmp_path / "bare-model")
