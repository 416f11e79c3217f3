from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

from grpo_cli.errors import RunError
from grpo_cli.sandbox import __main__, isolation, landlock, places, seccomp
from grpo_cli.sandbox.bubblewrap import bubblewrap_command
from grpo_cli.sandbox.inside.wire import decode, encode
from grpo_cli.sandbox.program import Program, remove_stale_folders
from grpo_cli.sandbox.root import readable_without
from grpo_cli.sandbox.settings import Limits


def test_what_is_in_force_is_told_truthfully():
    told = isolation.protections()
    assert list(told) == list(isolation.PROTECTIONS)
    assert told["landlock"] == (landlock.version() > 0)
    assert isolation.missing_isolation() == []
    assert all((name in isolation.describe().partition("; not")[0]) == held for name, held in told.items())


@pytest.mark.parametrize("way", ["root", "user", "bubblewrap", "bare"])
def test_how_programs_are_kept_is_told_truthfully(way, isolations, monkeypatch, capsys):
    if isolations[way] is None:
        pytest.skip(f"this machine cannot isolate that way: {way}")
    monkeypatch.setattr(isolation, "find_isolation", lambda: isolations[way])
    monkeypatch.setattr(__main__, "find_isolation", lambda: isolations[way])
    assert __main__.main() == 0
    told = capsys.readouterr().out
    words = {"root": "that root makes", "user": "of this user", "bubblewrap": "bwrap makes", "bare": "without"}
    assert f"{words[way]}" in told.splitlines()[-1]
    assert ("no   root" in told, "no   network" in told) == (way == "bare", way == "bare")


def test_a_program_does_not_start_with_less_than_was_promised(best):
    promised = isolation.replace(best, held=(*best.held, "moat"))
    with pytest.raises(RunError, match="not in force: moat"), Program("", limits=Limits(), isolation=promised) as one:
        one.finish()


def test_folders_of_the_dead_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("grpo-sandbox-999999999-ab", "grpo-sandbox-1-ab", "other"):
        (tmp_path / name).mkdir()
    remove_stale_folders()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grpo-sandbox-1-ab", "other"]


def test_the_command_of_bubblewrap():
    what = {"shown": ["/lib", "/usr/lib"], "hidden": ["/usr/lib/p"], "package": "/home/me/grpo_cli"}
    command = bubblewrap_command("/usr/bin/bwrap", ["python", "-c", "1"], **what, files_mb=16)
    text = " ".join(command)
    assert command[0] == "/usr/bin/bwrap"
    assert command[-4:] == ["--", "python", "-c", "1"]
    for part in ("--unshare-all", "--die-with-parent", "--new-session", "--size 16777216 --tmpfs /tmp"):
        assert part in text
    assert text.index("--ro-bind /usr/lib /usr/lib") < text.index("--tmpfs /usr/lib/p --remount-ro /usr/lib/p")
    assert "--bind" not in text.replace("--ro-bind", "") and " /home" not in text.replace("--ro-bind /home/me/", "")


def test_only_python_and_libraries_are_shown():
    shown = places.shown()
    assert places.python() in shown or any(places.python().startswith(one + "/") for one in shown)
    assert not {"/", "/etc", "/home", "/usr", "/root", "/tmp"} & set(shown)
    assert not any(a != b and a.startswith(b + "/") for a in shown for b in shown)


def test_landlock_leaves_out_what_is_hidden_and_links(tmp_path):
    (tmp_path / "lib" / "python3" / "site-packages").mkdir(parents=True)
    (tmp_path / "lib" / "python3" / "os.py").touch()
    (tmp_path / "lib" / "other").mkdir()
    (tmp_path / "lib" / "out").symlink_to("/etc")
    (tmp_path / "link").symlink_to("lib")
    lib = str(tmp_path / "lib")
    whole, listed = readable_without([lib, str(tmp_path / "link")], [f"{lib}/python3/site-packages"])
    assert sorted(whole) == [f"{lib}/other", f"{lib}/python3/os.py"]
    assert sorted(listed) == [lib, f"{lib}/python3"]


LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50001, 0x50026


def decide(instructions, arch, number, argument=0, second=0, third=0):
    """Run a filter as the kernel would."""
    data = {0: number, 4: arch, 16: argument, 24: second, 32: third}
    steps = list(struct.iter_unpack("HBBI", instructions))
    at = held = 0
    while True:
        code, true, false, value = steps[at]
        at += 1
        if code == RETURN:
            return value
        if code == LOAD:
            held = data[value]
        else:
            met = {EQUAL: held == value, AT_LEAST: held >= value, ANY_BIT: bool(held & value)}[code]
            at += true if met else false


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
@pytest.mark.parametrize("processes", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_the_filter_of_system_calls(machine, arch, processes, shared):
    column = ["x86_64", "aarch64"].index(machine)
    made = seccomp.program(machine, processes=processes, shared_processes=shared, shared_files=shared)
    clone, prlimit = seccomp._CLONE[column], seccomp._PRLIMIT[column]

    def verdict(*call):
        return decide(made, arch, *call)

    for numbers in seccomp._ALWAYS.values():
        assert verdict(numbers[column]) == EPERM
    for numbers in (*seccomp._REACHING_OTHERS.values(), *seccomp._CHANGING_FILES.values()):
        assert verdict(numbers[column]) == (EPERM if shared else ALLOW)
    assert verdict(clone, 17) == (ALLOW if processes else EPERM)  # SIGCHLD: a fork
    assert verdict(clone, 0x3D0F00) == ALLOW  # what a thread is made with
    assert verdict(clone, 0x10000000) == verdict(clone, 0x10010000) == EPERM
    assert verdict(435) == ENOSYS
    fcntl, ioctl, openat = [(72, 16, 257), (25, 29, 56)][column]
    for number, command in ((fcntl, 8), (fcntl, 10), (fcntl, 15), (ioctl, 0x8901)):
        assert verdict(number, 0, command) == (EPERM if shared else ALLOW)
    assert verdict(fcntl, 0, 1) == verdict(ioctl, 0, 0x5401) == ALLOW
    for flags, emptied in ((0, False), (os.O_TRUNC, True), (os.O_TRUNC | os.O_WRONLY, False)):
        assert verdict(openat, 0, 0, flags) == (EPERM if emptied and shared else ALLOW)
        if machine == "x86_64":
            assert verdict(2, 0, flags) == (EPERM if emptied and shared else ALLOW)
    assert (verdict(prlimit, 0), verdict(prlimit, 7)) == (ALLOW, EPERM)
    assert verdict({"x86_64": 59, "aarch64": 221}[machine]) == ALLOW  # execve
    assert decide(made, 0x40000003, 1) == 0x80000000  # another architecture's calls
    if machine == "x86_64":
        assert verdict(0x40000000 + 41) == EPERM


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(2**60), 2**100, 1.5, float("inf"), 1 + 2j, "é\ud800", b"\x00", [1, [2]], (1,), {1}]
    + [frozenset({1}), {(1, 2): [3]}, range(1, 9, 2)],
)  # fmt: skip
def test_plain_values_cross_unchanged(value):
    back = decode(encode(value, refer=lambda one: 0), find=lambda number: None)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("forged", [["list", "x"], ["object", "0"], ["eval", "1"], ["int", 5], [1, 2], {"a": 1}, 1.5])
def test_what_is_no_value_is_refused(forged):
    with pytest.raises(ValueError):
        decode(forged, find=lambda number: None)


ANYBODY = """
import sys
sys.path.insert(0, {packages!r})
from grpo_cli.sandbox.isolation import _try_out
from grpo_cli.sandbox.program import Program
from grpo_cli.sandbox.settings import Isolation, Limits
from grpo_cli.sandbox.verdicts import function_verdicts
isolation = _try_out(Isolation(as_root=False, bubblewrap={bubblewrap!r}))
assert isolation
tests = ["assert f(2) == 4", "assert f(2) == 5"]
options = {{"entry": "f", "limits": Limits(), "isolation": isolation, "stop_at_failure": False}}
assert function_verdicts("def f(x): return 2 * x", tests, **options) == [True, False]
code = "import os\\nfor n in range(9):\\n    try:\\n        if os.fork() == 0: os.kill(os.getpid(), 19)\\n"
code += "    except OSError: break\\nprint(n, sorted(os.listdir('/')))"
with Program(code, limits=Limits(processes=4), isolation=isolation) as program:
    print(program.finish().stdout.decode(), "root" in program.held)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("bubblewrap", [None, shutil.which("bwrap")], ids=["namespaces", "bubblewrap"])
def test_it_needs_no_privilege(bubblewrap, request):
    if bubblewrap is None and "bubblewrap" in request.node.name:
        pytest.skip("bubblewrap is not installed")
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    checked = subprocess.run([python or "false", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"], check=False)
    if checked.returncode:
        pytest.skip("there is no Python of the system that another user could run")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(isolation.__file__).parents[1]
        shutil.copytree(package / "sandbox", Path(folder, "grpo_cli", "sandbox"))
        for name in ("__init__.py", "errors.py"):
            shutil.copy(package / name, Path(folder, "grpo_cli", name))
        Path(folder).chmod(0o755)
        command = [python, "-I", "-B", "-c", ANYBODY.format(packages=folder, bubblewrap=bubblewrap)]
        ran = subprocess.run(command, user=65534, group=65534, extra_groups=[], cwd="/", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    if ran.stdout.endswith("True\n"):
        assert ran.stdout.startswith("3 ['dev', 'etc'")
        assert "'home'" not in ran.stdout
