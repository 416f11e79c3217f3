"""Saving the final model: whole in its place, or not there at all."""

from __future__ import annotations

import shutil
from typing import Any, cast

from grpo_cli.runs.disk import saving
from grpo_cli.runs.folder import RunFolder
from grpo_cli.training.gathered import full_state_dict
from grpo_cli.training.merging import merge_saved_adapter
from grpo_cli.training.trainer import RunTrainer


def policy(trainer: RunTrainer) -> Any:
    """The model that is trained, without what distributed training wraps around it."""
    return trainer.accelerator.unwrap_model(trainer.model)


def save_model(trainer: RunTrainer, folder: RunFolder, merge: bool) -> None:
    """Save the final model with its tokenizer beside its place, then rename: `model/` is whole or absent.

    Args:
        trainer: whose policy is saved.
        folder: the run.
        merge: merge an adapter into the model, so that transformers alone can load it; the checkpoints keep
            the adapter. A quantized model cannot take it in, and keeps it apart.
    """
    beside = folder.root / ".model.tmp"
    if trainer.args.should_save and beside.exists():
        shutil.rmtree(beside)
    trainer.accelerator.wait_for_everyone()
    model, tokenizer = policy(trainer), cast(Any, trainer.processing_class)
    merges = merge and hasattr(model, "merge_and_unload") and not getattr(model, "is_quantized", False)
    with saving(beside):
        if (weights := full_state_dict(trainer)) is not None:
            if trainer.args.should_save:
                trainer._save(str(beside), state_dict=weights)
                if merges:
                    merge_saved_adapter(beside, trainer.args.model_init_kwargs or {})
        elif merges:
            if trainer.args.should_save:
                model.merge_and_unload().save_pretrained(beside)
                tokenizer.save_pretrained(beside)
        else:
            trainer.save_model(str(beside))
    trainer.accelerator.wait_for_everyone()
    if trainer.args.should_save:
        (beside / "training_args.bin").unlink(missing_ok=True)
        for path in beside.rglob("*"):
            # safetensors writes files that only their owner may read; a model is there to be used.
            if path.is_file():
                path.chmod(path.stat().st_mode | 0o444)
        if folder.model.exists():
            shutil.rmtree(folder.model)
        beside.rename(folder.model)
