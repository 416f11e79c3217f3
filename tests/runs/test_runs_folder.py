from grpo_cli.runs.folder import RunFolder, set_aside
from grpo_cli.runs.lock import own


def test_an_earlier_run_is_moved_whole_and_nothing_else_with_it(tmp_path):
    folder = RunFolder(tmp_path)
    for number in (1, 2):
        with own(folder):
            folder.result.write_text("{}")
            folder.config.write_text("")
            folder.metrics.write_text(f"{number}")
            (folder.checkpoints / "checkpoint-5").mkdir(parents=True)
            folder.worker_log.write_text("")
            (tmp_path / "notes.txt").write_text("the user's own")
            place = set_aside(folder)
        assert place == tmp_path / "earlier" / str(number)
        assert (place / "metrics.jsonl").read_text() == str(number)
        assert (place / "checkpoints" / "checkpoint-5").is_dir()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["earlier", "logs", "notes.txt"]
        assert [p.name for p in folder.logs.iterdir()] == ["lock"]


def test_a_new_folder_has_nothing_to_set_aside(tmp_path):
    with own(RunFolder(tmp_path)):
        assert set_aside(RunFolder(tmp_path)) is None
