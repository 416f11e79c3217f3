import subprocess
import sys

import pytest

from grpo_cli.config.importer import import_target
from grpo_cli.config.targets import check_target
from grpo_cli.errors import ConfigError


@pytest.fixture
def user_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Folders that other tests of this process have imported from hold a mine.py too.
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.startswith(str(tmp_path.parent))])
    sys.modules.pop("mine", None)
    (tmp_path / "neighbour.py").write_text("FACTOR = 3\n")
    (tmp_path / "mine.py").write_text(
        "from neighbour import FACTOR\nclass Box:\n    @staticmethod\n    def polite(x):\n"
        "        return x * FACTOR\ndef polite(x):\n    return x * FACTOR\n"
    )
    yield tmp_path
    for name in ("neighbour", "mine"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("target", ["mine.py:polite", "./mine.py:Box.polite", "mine:polite"])
def test_a_function_is_imported_from_a_file_or_a_module_with_its_neighbours(user_folder, target):
    assert check_target(target) is None
    assert import_target(target)(2) == 6


def test_two_files_of_one_name_stay_two_modules(user_folder):
    (user_folder / "sub").mkdir()
    (user_folder / "sub" / "mine.py").write_text("def polite(x):\n    return 'other'\n")
    assert import_target("mine.py:polite")(2) == 6
    assert import_target("sub/mine.py:polite")(2) == "other"


def test_a_file_runs_once_for_several_targets(user_folder):
    assert import_target("mine.py:Box") is import_target("mine.py:Box")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("mine.py:polit", "'mine.py' has no 'polit'; did you mean 'polite'?"),
        ("mine:polit", "'mine' has no 'polit'; did you mean 'polite'?"),
        ("min.py:polite", "there is no file 'min.py'"),
        ("min.py:polite", "did you mean 'mine.py'?"),
        ("no.such.module:f", "there is no module 'no.such.module' ('no' was not found)"),
        ("mine.deeper:f", "there is no module 'mine.deeper'"),
        ("mine.py", "say which function of it: 'mine.py:name'"),
        ("json.dumps", "did you mean 'json:dumps'?"),
        ("json:", "names no function"),
    ],
)
def test_a_wrong_target_is_one_sentence_with_and_without_importing(user_folder, target, said):
    assert said in (check_target(target) or "")
    with pytest.raises(ConfigError) as error:
        import_target(target)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_error_inside_the_users_file_names_its_line(user_folder):
    (user_folder / "broken.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(ConfigError, match=r"broken.py' cannot be imported: ZeroDivisionError.*line 2"):
        import_target("broken.py:y")
    (user_folder / "typo.py").write_text("def f(:\n")
    assert "'typo.py' cannot be imported: line 1" in check_target("typo.py:f")
    with pytest.raises(ConfigError, match="line 1"):
        import_target("typo.py:f")


def test_a_missing_package_inside_the_users_module_is_not_taken_for_the_module(user_folder):
    (user_folder / "needs.py").write_text("import no_such_package_here\ndef f(): pass\n")
    with pytest.raises(ConfigError, match=r"cannot be imported: .*no_such_package_here"):
        import_target("needs:f")


def test_names_that_only_running_shows_are_left_to_the_import(user_folder):
    (user_folder / "star.py").write_text("from math import *\n")
    assert check_target("star.py:anything") is None


def test_checking_imports_nothing(user_folder):
    (user_folder / "loud.py").write_text("raise SystemExit('imported')\ndef f(): pass\n")
    code = (
        "import sys; from grpo_cli.config.targets import check_target as c\n"
        "print(c('loud:f'), c('trl.rewards:x'), 'trl' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, cwd=user_folder, env=environment)
    assert out.stdout.startswith("None ") and out.stdout.strip().endswith("False"), out.stderr
