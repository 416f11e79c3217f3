"""Wrong configurations and the exact sentence each gets: exit code 2, no traceback, nothing left on disk."""

# ruff: noqa: E501  (a table of whole sentences)
from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

WRONG = [
    (
        ["training.lerning_rate=1e-5"],
        "training.lerning_rate: no such key; did you mean training.learning_rate?",
    ),
    (
        ["training.max_new_tokens=64"],
        "training.max_new_tokens: no such key; did you mean training.max_completion_length?",
    ),
    (["training.lora_r=8"], "training.lora_r: here that is peft.r."),
    (["learning_rate=1e-5"], "learning_rate: no such key; did you mean training.learning_rate?"),
    (["training.dtype=bfloat16"], "training.dtype: no such key; did you mean model.dtype?"),
    (["model.nam=x"], "model.nam: no such key; did you mean model.name?"),
    (["seeed=1"], "seeed: no such key; did you mean seed?"),
    (["modle=hub"], "modle: no such key or section; did you mean model?"),
    (
        ["+training.qqqq=1"],
        "training.qqqq: no such key; grpo-train --fields 'training.*' lists those there are.",
    ),
    (
        ["training.max_prompt_length=512"],
        "training.max_prompt_length: TRL 0.28 removed it and no longer truncates prompts; "
        "write dataset.max_prompt_tokens, which drops prompts that are longer.",
    ),
    (
        ["training.warmup_ratio=0.1"],
        "training.warmup_ratio: transformers 5 removed it; "
        "write training.warmup_steps: a value below 1 is a share of all steps.",
    ),
    (["model.torch_dtype=bfloat16"], "model.torch_dtype: transformers 5 renamed it; write model.dtype."),
    (
        ["training.local_rank=1"],
        "training.local_rank is not set here (the launcher numbers the processes); "
        "leave it out; launch.num_processes sets how many run.",
    ),
    (["training.learning_rate=abc"], "training.learning_rate must be a number, not the text 'abc'."),
    (
        ["training.learning_rate='1e-6'"],
        "training.learning_rate must be a number, not the text '1e-6': the quotes make it text; "
        "write training.learning_rate=1e-6 without them.",
    ),
    (["training.max_steps=1.5"], "training.max_steps must be a whole number, not 1.5."),
    (
        ["training.max_steps=1e2"],
        "training.max_steps must be a whole number, not 100.0: write training.max_steps=100.",
    ),
    (
        ["training.num_generations=1"],
        "training.num_generations must be at least 2, not 1 "
        "(GRPO compares the completions of one prompt with each other).",
    ),
    (["training.learning_rate=-1"], "training.learning_rate must be at least 0, not -1."),
    (
        ["training.temperature=0"],
        "training.temperature must be greater than 0, not 0 "
        "(sampling at 0 would make all completions of a prompt the same).",
    ),
    (["training.top_p=1.5"], "training.top_p must be greater than 0 and at most 1, not 1.5."),
    (
        ["training.loss_type=dapoo"],
        "training.loss_type cannot be dapoo; did you mean dapo? "
        "Choices: grpo, dr_grpo, dapo, bnpo, cispo, sapo, luspo, vespo.",
    ),
    (
        ["training.save_strategy=step"],
        "training.save_strategy cannot be step; did you mean steps? Choices: no, steps, epoch, best.",
    ),
    (
        ["training.bf16=yes"],
        "training.bf16 must be true or false or null or auto, not the text 'yes': write training.bf16=true.",
    ),
    (
        ["training.fp16=true", "training.bf16=true"],
        "training.bf16 and training.fp16 are both true; set one of them.",
    ),
    (
        ["model.dtype=bf16"],
        "model.dtype cannot be bf16; did you mean bfloat16? Choices: auto, float32, bfloat16, float16.",
    ),
    (
        ["model.revision=123"],
        "model.revision must be text or null, not 123: quote it, model.revision=\"'123'\".",
    ),
    (
        ["peft.modules_to_save=lm_head"],
        "peft.modules_to_save must be a list of texts or null, not the text 'lm_head': write 'peft.modules_to_save=[lm_head]'.",
    ),
    (
        ["model=hab"],
        "model=hab: no such choice; did you mean hub? Choices: embedded, hub. "
        "A hub id has a slash (Qwen/Qwen3-0.6B), and a folder must exist.",
    ),
    (["model.dtype=xyzxyz"], "model.dtype cannot be xyzxyz. Choices: auto, float32, bfloat16, float16."),
    (
        ["dataset.generator=grpo_cli.data.nowhere:rows"],
        "dataset.generator: there is no module 'grpo_cli.data.nowhere': write a module that Python finds from here, "
        "or a file as path/to/file.py:name.",
    ),
    (["peft=lara"], "peft=lara: no such choice; did you mean lora? Choices: dora, lora, none, qlora."),
    (["peft=qlora"], "peft=qlora needs an NVIDIA GPU, and this run is on the CPU; write peft=lora."),
    (
        ["model=hub"],
        "model.name must be set: A hub id, a local folder, or 'embedded' (the model inside the package). Write model.name=<value>.",
    ),
    (
        ["seed=1,2"],
        "seed=1,2 gives several values: add -m to run each, write 'seed=[1,2]' for a list, "
        "or \"seed='1,2'\" if it is one text with a comma.",
    ),
    (
        ["training.learning_rate"],
        "'training.learning_rate' is not key=value; write key=value, and put quotes round a value with "
        "spaces: "
        "'name=\"two words\"'.",
    ),
    (
        ["reward=[exact_match"],
        "reward=[exact_match: a bracket is not closed; quote the whole override for the shell, "
        "without spaces outside it: 'reward=[exact_match,format]'.",
    ),
    (["name=${nam}"], "hydra.run.dir refers to ${nam}, which does not exist; did you mean ${name}?"),
    (
        ["model.tokenizer=${oc.env:GRPO_TRAIN_NOT_SET}"],
        "model.tokenizer needs the environment variable GRPO_TRAIN_NOT_SET, which is not set; export "
        "GRPO_TRAIN_NOT_SET=…",
    ),
    (["training.seed=${sed}"], "training.seed refers to ${sed}, which does not exist; did you mean ${seed}?"),
    (
        ["launch=cpu", "training.num_generations=5"],
        "training.num_generations=5 does not divide the generation batch of 64 completions (64 per device × 1 process × "
        "1 step per generation); write training.num_generations=4 or training.per_device_train_batch_size=65.",
    ),
    (
        ["launch=cpu", "launch.num_processes=2", "training.per_device_train_batch_size=3"],
        "training.num_generations=8 does not divide the generation batch of 6 completions (3 per device × 2 processes × "
        "1 step per generation); write training.num_generations=6 or training.per_device_train_batch_size=4.",
    ),
    (
        ["training.generation_batch_size=100"],
        "training.generation_batch_size=100 is not a multiple of the global batch of 64 (64 × 1 process); "
        "write training.generation_batch_size=128.",
    ),
    (
        ["dataset=custom"],
        "dataset names no data: write dataset=<file, folder or hub id>, or dataset=<choice> (grpo-train --help lists them).",
    ),
    (
        ["dataset=rows.jsonl", "dataset.generator=mine:rows"],
        "dataset.path and dataset.generator are both set, and rows come from one of them: set the other to null.",
    ),
    (["--bogus"], "There is no option --bogus; see grpo-train --help."),
    (["--config-dir", "nowhere"], "The folder nowhere given with --config-dir does not exist."),
    (
        ["resume=nowhere"],
        "resume=nowhere: there is no such folder; give a run folder, a checkpoint, auto or never.",
    ),
    (
        ["training.hub_token=hf_abc"],
        "training.hub_token holds the secret itself, which would be written into the run folder; "
        "write training.hub_token='${oc.env:HF_TOKEN}'.",
    ),
    (
        ["reward=[]"],
        "No reward is chosen, so there is nothing to train for; write reward=[<name>,…] (grpo-train "
        "--help lists them).",
    ),
    (
        ["reward.polite.weight=0.5"],
        "reward.polite has no target (it sets only weight): select it, reward=[…,polite], name a function of your own, "
        "reward.polite.target=my_rewards.py:function, or leave it out, ~reward.polite.",
    ),
    (
        ["reward.exact_match.wieght=2"],
        "reward.exact_match.wieght: grpo_cli.rewards.correctness:exact_match has no argument 'wieght' to set; "
        "did you mean 'weight'?",
    ),
    (
        ["reward.mine.target=mine.py:polite"],
        "reward.mine.target: there is no file 'mine.py' (looked in {cwd}).",
    ),
    (
        ["reward.mine.target=polite"],
        "reward.mine.target: 'polite' names no function: write package.module:name or path/to/file.py:name.",
    ),
    (
        ["model=embedded,a/b"],
        "model=embedded,a/b mixes choices of the group (embedded) with hub ids or paths, which one sweep cannot vary together; run the two kinds one after the other.",
    ),
    (
        ["model=./nowhere"],
        "model.name: the folder ./nowhere does not exist; give one saved by save_pretrained, or a hub id.",
    ),
    (
        ["model.tokenizer=./nowhere"],
        "model.tokenizer: the folder ./nowhere does not exist; give one saved by save_pretrained, or a hub id.",
    ),
    (
        ["reward=[reward_model]", "reward.reward_model.model=./nowhere"],
        "reward.reward_model.model: the folder ./nowhere does not exist; give one saved by save_pretrained, or a hub id.",
    ),
    (
        ["model.chat_template=mine.jinja"],
        "model.chat_template: there is no file mine.jinja; give a .jinja file, or the template's text.",
    ),
    (["dataset=rows.jsonl"], "dataset.path: there is no file or folder 'rows.jsonl', and it is no hub id."),
    (
        ["launch=cpu", "training.bf16=true"],
        "training.bf16: this run is on the CPU, where half precision is slower and TRL refuses it by default; "
        "write training.bf16=false, or training.bf16=auto.",
    ),
    (
        ["launch=cpu", "model.attn_implementation=flash_attention_2"],
        "model.attn_implementation=flash_attention_2 needs a GPU, and this run is on the CPU; "
        "write model.attn_implementation=auto.",
    ),
    (
        ["launch=cpu", "training.use_vllm=true"],
        "training.use_vllm=true (rollout=vllm_colocate) needs a GPU, and this run is on the CPU; write "
        "rollout=transformers.",
    ),
    (
        ["launch=single_gpu"],
        "launch=single_gpu needs a GPU and no NVIDIA GPU is visible; write launch=cpu or launch=auto.",
    ),
    (
        ["launch=multi_gpu"],
        "launch=multi_gpu needs a GPU and no NVIDIA GPU is visible; write launch=cpu or launch=auto.",
    ),
    (["launch.num_processes=0"], "launch.num_processes must be at least 1, not 0."),
    (["launch.num_processes=two"], "launch.num_processes=two must be a whole number of 1 or more, or auto."),
    (
        ["evaluation.every=-1"],
        "evaluation.every must be greater than 0, not -1 (below 1 it is a share of training).",
    ),
    (
        ["evaluation.every=2.5"],
        "evaluation.every must be a whole number of steps, or a share of training below 1, not 2.5.",
    ),
    (
        ["evaluation.samples=4"],
        "evaluation.samples=4 at evaluation.temperature=0 would give 4 times the same answer; "
        "write evaluation.temperature=1.",
    ),
    (
        ["evaluation.samples=4", "evaluation.temperature=1", "evaluation.k=[8]"],
        "evaluation.k: k must be 1 to evaluation.samples=4, not 8.",
    ),
    (
        ["evaluation.datasets.hard.paht=rows.jsonl"],
        "evaluation.datasets.hard.paht: no such key; did you mean 'path'?",
    ),
    (
        ["evaluation.reward.right.target=grpo_cli.rewards.correctness:exact_mach"],
        "evaluation.reward.right.target: 'grpo_cli.rewards.correctness' has no 'exact_mach'; "
        "did you mean 'exact_match'?",
    ),
    (
        ["evaluation.early_stopping.metric=eval/held_out/acuracy"],
        "evaluation.early_stopping.metric: this run will not measure eval/held_out/acuracy; "
        "did you mean 'eval/held_out/accuracy'?",
    ),
    (
        ["evaluation.best.metric=reward"],
        "evaluation.best.metric=reward is a metric of training; write evaluation.best.metric=eval/held_out/accuracy, "
        "or evaluation.best.metric=train/reward.",
    ),
    (
        ["evaluation.best.metric=auto", "evaluation.every=null"],
        "evaluation.best.metric=eval/held_out/accuracy chooses a checkpoint by evaluations while training, and "
        "evaluation.every=null makes none; write evaluation.every=0.1 or evaluation.best.metric=null.",
    ),
    (
        ["evaluation.early_stopping.patiense=3"],
        "evaluation.early_stopping.patiense: no such key; did you mean evaluation.early_stopping.patience?",
    ),
    (
        ["objective=eval/accuracy"],
        "objective: this run will not measure eval/accuracy; did you mean 'eval/held_out/accuracy'?",
    ),
    (
        ["objective=eval/held_out/acuracy"],
        "objective: this run will not measure eval/held_out/acuracy; did you mean 'eval/held_out/accuracy'?",
    ),
    (["objective=rewrd"], "objective: this run will not measure rewrd; did you mean 'reward'?"),
    (
        ["reward=[length]", "objective=eval/held_out/accuracy"],
        "objective: this run will not measure eval/held_out/accuracy: no reward tells right from wrong; "
        "write reward.<name>.correctness=true, or objective=eval/held_out/reward.",
    ),
    (
        ["objective=[auto,eval/held_out/completion_lenght]"],
        "objective: this run will not measure eval/held_out/completion_lenght; "
        "did you mean 'eval/held_out/completion_length'?",
    ),
    (
        ["objective=[auto,eval/held_out/accuracy,reward]"],
        "objective names eval/held_out/accuracy twice; write 'objective=[eval/held_out/accuracy,reward]'.",
    ),
    (["objective=[]"], "objective=[] names no metric; write objective=auto."),
    (
        ["objective=[auto,reward,loss]", "direction=[minimize,maximize]"],
        "direction has 2 entries for 3 objectives (eval/held_out/accuracy, reward, loss); "
        "write 'direction=[minimize,maximize,maximize]', or one word for all.",
    ),
    (
        ["direction=[minimize,maximize]"],
        "direction has 2 entries for one objective (eval/held_out/accuracy); write direction=minimize.",
    ),
    (["direction=maximise"], "direction cannot be maximise; did you mean maximize? Choices: maximize, minimize."),
    (
        ["objective=[auto,reward]", "direction=[maximize,minimise]"],
        "direction cannot be minimise; did you mean minimize? Choices: maximize, minimize.",
    ),
    (["training.report_to=wandbb"], "training.report_to cannot be wandbb; did you mean 'wandb'?"),
]

# What asks for an optional package: overrides, the package as imported, the sentence.
MISSING_PACKAGES = [
    (
        ["training.optim=adamw_8bit"],
        "bitsandbytes",
        "training.optim=adamw_8bit needs the package bitsandbytes, which is not installed: pip install bitsandbytes, "
        "or write training.optim=adamw_torch.",
    ),
    (
        ["training.optim=galore_adamw"],
        "galore_torch",
        "training.optim=galore_adamw needs the package galore-torch, which is not installed: pip install galore-torch, "
        "or write training.optim=adamw_torch.",
    ),
    (
        ["tracker=wandb"],
        "wandb",
        "training.report_to=wandb needs the package wandb, which is not installed: pip install wandb, or write tracker=none.",
    ),
    (
        ["training.use_liger_kernel=true"],
        "liger_kernel",
        "training.use_liger_kernel=true needs the package liger-kernel, which is not installed: pip install liger-kernel, "
        "or write training.use_liger_kernel=false.",
    ),
    (
        ["training.deepspeed=ds.json"],
        "deepspeed",
        "training.deepspeed needs the package deepspeed, which is not installed: pip install deepspeed, "
        "or write training.deepspeed=null.",
    ),
]


@pytest.mark.parametrize(("argv", "sentence"), WRONG, ids=[" ".join(argv) for argv, _ in WRONG])
def test_sentence(
    command: Callable, workdir: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], sentence: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the same sentences on a machine with GPUs
    got = command(*argv)
    assert got.err == f"grpo-train: {sentence.replace('{cwd}', str(workdir))}\n"
    assert got.code == 2
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "package", "sentence"), MISSING_PACKAGES, ids=[" ".join(m[0]) for m in MISSING_PACKAGES]
)
def test_missing_package(command: Callable, workdir: Path, argv: list[str], package: str, sentence: str) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    got = command(*argv)
    assert (got.code, got.err) == (2, f"grpo-train: {sentence}\n")
    assert list(workdir.iterdir()) == []


def test_folders_and_files_that_lie_beside_the_meant_ones(command: Callable, workdir: Path) -> None:
    (workdir / "empty").mkdir()
    (workdir / "run" / "checkpoint-5").mkdir(parents=True)
    (workdir / "run" / "checkpoint-5" / "config.json").write_text("{}")
    (workdir / "adapter").mkdir()
    (workdir / "adapter" / "adapter_config.json").write_text("{}")
    (workdir / "chat.jinja").touch()
    for argv, sentence in [
        (
            "model=./empti",
            "the folder ./empti does not exist (did you mean empty?); give one saved by save_pretrained, or a hub id.",
        ),
        ("model=./empty", "the folder ./empty holds no model (no config.json): give one saved by save_pretrained."),
        (
            "model=./adapter",
            "the folder ./adapter holds an adapter, not a whole model: train it with peft.merge=true to have one "
            "(grpo-eval run=<its run> and grpo-chat run=<its run> take it as it is).",
        ),
        ("model=./run", "the folder ./run holds no model (no config.json); did you mean ./run/checkpoint-5?"),
    ]:
        got = command(argv)
        assert (got.code, got.err) == (2, f"grpo-train: model.name: {sentence}\n")
    got = command("model.chat_template=cha.jinja")
    assert "there is no file cha.jinja (did you mean chat.jinja?)" in got.err


@pytest.mark.parametrize(
    ("text", "argv", "sentence"),
    [
        ("", [], "dataset: rows.jsonl is empty."),
        ('{"prompt": "a"}\n{"prompt":\n', [], "dataset: rows.jsonl, line 2 is not JSON: Expecting value (column 11)."),
        (
            '{"question": "a"}\n',
            [],
            "rows.jsonl has no column 'prompt' (columns: question): name the one to use with "
            "dataset.columns.prompt=question, or write dataset.prompt_template.",
        ),
        (
            '{"prompt": "a"}\n',
            ["dataset.prompt_template='{question}?'"],
            "dataset.prompt_template names the column 'question', which rows.jsonl does not have (columns: prompt).",
        ),
    ],
)
def test_data_files(command: Callable, workdir: Path, text: str, argv: list[str], sentence: str) -> None:
    (workdir / "rows.jsonl").write_text(text)
    got = command("dataset=rows.jsonl", *argv)
    assert got.code == 2 and got.err.rstrip().removeprefix("grpo-train: ").endswith(sentence)
    assert len(got.err.splitlines()) == 1
    assert [p.name for p in workdir.iterdir()] == ["rows.jsonl"]


def test_all_problems_come_at_once(command: Callable) -> None:
    got = command("training.num_generations=1", "model.nam=x", "evaluation.batch_size=0")
    assert got.code == 2
    lines = got.err.splitlines()
    assert len(lines) == 3
    for part in (
        "evaluation.batch_size must be",
        "model.nam: no such key",
        "training.num_generations must be",
    ):
        assert any(part in line for line in lines)


def test_broken_yaml_names_file_and_line(command: Callable, workdir: Path) -> None:
    (workdir / "conf" / "experiment").mkdir(parents=True)
    file = workdir / "conf" / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\ntraining:\n  beta: 0.1\n max_steps: 3\n")
    got = command("experiment=mine")
    assert got.code == 2
    assert f"{file}:4 is not valid YAML" in got.err
    assert "Traceback" not in got.err and len(got.err.splitlines()) == 1


def test_misspelled_section_in_a_file(command: Callable, workdir: Path) -> None:
    (workdir / "conf" / "experiment").mkdir(parents=True)
    (workdir / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\ntraning:\n  beta: 0.1\n")
    got = command("experiment=mine")
    assert got.err == "grpo-train: traning: no such key or section; did you mean training?\n"


def test_own_reward_file_is_read_but_not_run(command: Callable, workdir: Path) -> None:
    (workdir / "mine.py").write_text(
        "raise SystemExit('this file must not be run')\n"
        "def polite(completions, strength=1.0, **columns):\n    return [1.0] * len(completions)\n"
        "def brief(completion, limit=10):\n    return 1.0\n"
    )
    got = command("reward.mine.target=mine.py:polit")
    assert got.err == ("grpo-train: reward.mine.target: 'mine.py' has no 'polit'; did you mean 'polite'?\n")
    got = command("reward.mine.target=mine.py:brief", "reward.mine.limt=3")
    assert got.err == (
        "grpo-train: reward.mine.limt: mine.py:brief has no argument 'limt' to set; did you mean 'limit'?\n"
    )
