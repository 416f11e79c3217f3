"""Programs that try to get out, to take the machine down, or to stay; each prints what it got.

Each runs under every way of isolation that this machine has (`kept`); conftest.py checks that nothing is left.
"""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from grpo_cli.sandbox.program import Program, remove_stale_folders
from grpo_cli.sandbox.settings import Limits

# Prints "held", or what it got.
TRY = """
def attempt(function):
    try:
        got = function()
    except Exception as error:
        return
    print("ESCAPED", got)
"""


def counts_processes(isolation):
    """Whether the kernel counts the program's processes: not those of a user that is root outside."""
    return "user" in isolation.held and (os.geteuid() != 0 or isolation.as_root)


def held(outcome):
    assert outcome.ended == "exit"
    assert outcome.code == 0
    assert outcome.stdout == b"held\n"


def test_secrets_in_the_environment_are_not_there(kept, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    outcome = run("import os\nprint(sorted(os.environ))", kept)
    names = eval(outcome.stdout)
    assert set(names) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "LD_LIBRARY_PATH"}


def test_other_processes_environment_and_files_are_out_of_sight(kept, run, monkeypatch):
    # The file was opened here, so its descriptor is in reach of whoever reaches this process.
    parent = os.getpid()
    code = f"""{TRY}
import os, glob
for pid in (1, {parent}, {os.getppid()}, os.getppid(), 'self'):
    for name in ('environ', 'cmdline', 'maps', 'mem', 'fd'):
        if pid == 'self':
            continue
        attempt(lambda: open(f'/proc/{{pid}}/{{name}}', 'rb').read(1))
        attempt(lambda: os.listdir(f'/proc/{{pid}}/{{name}}'))
print('held')
"""
    held(run(code, kept))


def test_files_of_the_machine_cannot_be_read(kept, run, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("s")
    tmp_path.chmod(0o755)
    here = Path(__file__).resolve()
    paths = ["/etc/passwd", "/etc/hostname", "/etc/shadow", str(secret), str(here), "/proc/self/environ", "/dev/mem"]
    paths += [str(here.parents[2] / "conf" / "train.yaml"), str(Path.home() / ".bashrc")]
    folders = [str(Path.home()), "/home", str(tmp_path), str(here.parent), "/proc", "/sys", "/var/log", "/etc"]
    code = f"""{TRY}
import os
for path in {paths!r}:
    attempt(lambda: open(path, 'rb').read(1))
for path in {folders!r}:
    attempt(lambda: os.listdir(path) != [] and [n for n in os.listdir(path) if n not in ('.pyenv', 'ld.so.cache')][0])
print('held')
"""
    held(run(code, kept))


def test_packages_beside_python_cannot_be_read(kept, run):
    code = f"""{TRY}
import os, glob, sys
for folder in glob.glob(sys.base_prefix + '/lib/python3*/*-packages') + ['/usr/lib/python3/dist-packages']:
    for path in glob.glob(folder + '/*.*') + glob.glob(folder + '/*/*'):
        if os.path.isfile(path):
            attempt(lambda: open(path, 'rb').read(1) + path.encode())
print('held')
"""
    held(run(code, kept))


def test_nothing_outside_its_folder_can_be_written(kept, run, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("before")
    victim.chmod(0o666)
    tmp_path.chmod(0o777)
    code = f"""{TRY}
import os, sys
outside = ['/new', '/etc/new', '/usr/lib/new', os.__file__, '/var/tmp/new']
for path in ({str(tmp_path)!r} + '/new', {str(victim)!r}, *outside):
    attempt(lambda: open(path, 'a').write('x'))
    attempt(lambda: os.chmod(path, 0o777))
    attempt(lambda: os.unlink(path))
    attempt(lambda: os.rename(path, 'moved'))
    attempt(lambda: os.truncate(path, 0))
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))
    except OSError:
        pass
    else:
        print('ESCAPED: emptied', path)
    attempt(lambda: os.utime(path))
attempt(lambda: os.mkdir({str(tmp_path)!r} + '/folder'))
attempt(lambda: os.rmdir({str(tmp_path)!r}))
with open('mine', 'w') as file:
    file.write('this is allowed')
print('held' if open('mine').read() == 'this is allowed' else 'no folder')
"""
    held(run(code, kept))
    assert victim.read_text() == "before"
    assert list(tmp_path.iterdir()) == [victim]


def test_symbolic_and_hard_links_lead_nowhere(kept, run, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("s")
    secret.chmod(0o666)
    tmp_path.chmod(0o777)
    code = f"""{TRY}
import os
os.symlink({str(secret)!r}, 'link')
attempt(lambda: open('link').read())
attempt(lambda: open('link', 'w').write('x'))
attempt(lambda: os.link({str(secret)!r}, 'hard'))
os.symlink('/', 'root')
attempt(lambda: open('root/etc/passwd').read(1))
attempt(lambda: open('../../../../../../etc/passwd').read(1))
print('held')
"""
    held(run(code, kept))
    assert secret.read_text() == "s"


def test_the_network_is_off(kept, run, tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0grpo-{os.getpid()}")
    abstract.listen()
    code = f"""{TRY}
import socket
def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        if kind == socket.SOCK_DGRAM:
            s.sendto(b'x', address)
        else:
            s.connect(address)
attempt(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {server.server_port})))
attempt(lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ('::1', {server.server_port})))
attempt(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ('192.0.2.1', 80)))
attempt(lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 53)))
attempt(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, {str(tmp_path / "socket")!r}))
attempt(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + 'grpo-{os.getpid()}'))
attempt(lambda: socket.getaddrinfo('localhost', 80) and socket.create_server(('127.0.0.1', 0)))
attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
print('held')
"""
    try:
        held(run(code, kept))
    finally:
        server.server_close()
        local.close()
        abstract.close()


def test_no_process_outside_can_be_signalled_or_traced(kept, run):
    bystander = psutil.Popen(["sleep", "60"])
    code = f"""{TRY}
import os, signal, ctypes
libc = ctypes.CDLL(None, use_errno=True)
for pid in ({os.getpid()}, {bystander.pid}, -1, 1, os.getppid(), -{os.getpgid(0)}):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        try:
            os.kill(pid, number)
        except OSError:
            pass
    for request in (16, 0x4206):
        if pid > 0 and libc.ptrace(request, pid, 0, 0) == 0:
            print('ESCAPED: traced', pid)
import fcntl
def signal_by_file():
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, {bystander.pid})
    fcntl.fcntl(reading, 10, signal.SIGKILL)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writing, b'x')
attempt(lambda: signal_by_file() and 1 / 0 or 1 / 0)
print('held')
"""
    try:
        held(run(code, kept))
        time.sleep(0.1)
        assert bystander.status() in ("sleeping", "running")
    finally:
        bystander.kill()
        bystander.wait()


def test_its_first_process_cannot_be_used(kept, run):
    code = f"""{TRY}
import os, ctypes
libc = ctypes.CDLL(None)
for pid in (1, os.getppid()):
    if pid:
        attempt(lambda: os.listdir(f'/proc/{{pid}}/fd'))
        attempt(lambda: open(f'/proc/{{pid}}/mem', 'r+b'))
        if libc.syscall(438, libc.syscall(434, pid, 0), 1, 0) >= 0:
            print('ESCAPED: took a descriptor')
print('held')
"""
    held(run(code, kept))


def test_nothing_is_inherited(kept, run, tmp_path):
    with (tmp_path / "open.txt").open("w+") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = run(
            "import os\nfor n in range(3, 1024):\n    try: os.fstat(n)\n    except OSError: continue\n"
            "    print(n)\nprint('held')",
            kept,
        )
    held(outcome)


def test_privileges_cannot_be_gained(kept, run):
    code = f"""{TRY}
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
attempt(lambda: os.setuid(0) or (os.getuid() == 0 and open('/dev/mem')) or 1/0)
attempt(lambda: os.chroot('/tmp'))
for flag in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flag) == 0:
        print('ESCAPED: unshare', flag)
if libc.mount(b'proc', b'/tmp', b'proc', 0, None) == 0:
    print('ESCAPED: mount')
if libc.prctl(39, 0, 0, 0, 0) != 1:
    print('ESCAPED: privileges can be gained')
import resource
for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
    attempt(lambda: resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
attempt(lambda: resource.prlimit({os.getpid()}, resource.RLIMIT_NOFILE))
print('held')
"""
    held(run(code, kept))


@pytest.mark.parametrize("processes", [1, 6])
def test_a_fork_bomb_fizzles(kept, run, processes):
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    before = time.monotonic()
    outcome = run(code, kept, processes=processes, cpu_seconds=1, wall_seconds=1.0)
    assert outcome.ended == "time"
    assert time.monotonic() - before < 5


def test_processes_are_counted(kept, run):
    code = """
import os
count = 0
for n in range(50):
    try:
        if os.fork() == 0:
            import time; time.sleep(60)
    except OSError:
        break
    count += 1
print(count)
"""
    outcome = run(code, kept, processes=4)
    assert int(outcome.stdout) == (3 if counts_processes(kept) else 0)
    assert int(run(code, kept, processes=1).stdout) == 0


def test_threads_are_allowed_up_to_a_number(kept, run):
    code = """
import threading, time
count = 0
try:
    for n in range(100):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError:
    pass
print(count, flush=True)
import os; os._exit(0)
"""
    outcome = run(code, kept)
    assert 8 <= int(outcome.stdout) <= (15 if counts_processes(kept) else 100)


def test_a_daemon_does_not_survive(kept, run):
    code = """
import os, sys, time
print('held', flush=True)
try:
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(1)
    time.sleep(300)
except OSError:
    pass
"""
    outcome = run(code, kept, processes=4)
    assert outcome.stdout == b"held\n"


def test_a_memory_bomb_gets_no_memory(kept, run):
    code = """
held = []
try:
    while True: held.append(bytearray(1 << 24))
except MemoryError:
    count = len(held)
    held = None
    print(count)
"""
    outcome = run(code, kept, memory_mb=256)
    assert outcome.code == 0
    assert int(outcome.stdout) < 16


def test_memory_that_no_limit_counts_is_refused(kept, run):
    code = f"""{TRY}
import os, mmap, ctypes
attempt(lambda: os.memfd_create('x'))
if ctypes.CDLL(None).shmget(0, 1 << 30, 0o1600) >= 0:
    print('ESCAPED: shared memory')
print('held')
"""
    held(run(code, kept))


def test_endless_output_is_cut(kept, run):
    outcome = run("while True: print('x' * 1000)", kept, output_kb=64)
    assert outcome.ended == "output"
    assert len(outcome.stdout) == 64 << 10
    assert outcome.seconds < 3


def test_the_disk_cannot_be_filled(kept, run):
    code = """
written = 0
try:
    for n in range(100):
        with open(f'file{n}', 'wb', buffering=0) as file:
            for _ in range(64):
                written += file.write(bytes(1 << 20))
except OSError:
    pass
print(written >> 20)
"""
    outcome = run(code, kept, files_mb=8)
    # Without a folder of limited size, only each file is limited.
    assert int(outcome.stdout) <= (8 if "root" in kept.held else 100 * 8)
    assert run("open('sparse', 'wb').truncate(1 << 40)", kept, files_mb=8).code != 0


def test_endless_work_and_endless_sleep_are_ended(kept, run):
    outcome = run("while True: pass", kept, cpu_seconds=1, wall_seconds=8.0)
    assert (outcome.ended, outcome.seconds < 6) == ("time", True)
    outcome = run("import time; time.sleep(60)", kept, wall_seconds=0.5)
    assert (outcome.ended, outcome.seconds < 2) == ("time", True)


def test_ignoring_signals_does_not_help(kept, run):
    code = """
import signal, time, os
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
os.close(1)
while True: pass
"""
    outcome = run(code, kept, cpu_seconds=1, wall_seconds=2.0)
    assert outcome.ended == "time"
    assert outcome.seconds < 5


def test_deep_recursion_ends_the_program_alone(kept, run):
    code = "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(x): return [f(x + 1) for _ in 'x']\nf(0)"
    outcome = run(code, kept, memory_mb=128, wall_seconds=2.0)
    assert outcome.code != 0 or outcome.ended == "time"


def test_reading_more_than_there_is_ends_at_once(kept, run):
    outcome = run("import sys\nprint(len(sys.stdin.read()), sys.stdin.read() == '')", kept, stdin=b"abc")
    assert outcome.stdout == b"3 True\n"


def test_leaving_the_block_ends_a_running_program(kept):
    with Program("import time; time.sleep(60)", limits=Limits(), isolation=kept) as program:
        program.started()
    # nothing_is_left_behind looks for it.


KILLED = """
from grpo_cli.sandbox.program import Program
from grpo_cli.sandbox.settings import Isolation, Limits
with Program("import time; print(1, flush=True); time.sleep(300)", limits=Limits(), isolation={isolation!r}) as program:
    program.started()
    print("ready", flush=True)
    program.finish()
"""


def test_a_killed_spawner_takes_its_program_along(kept):
    spawner = psutil.Popen([sys.executable, "-c", KILLED.format(isolation=kept)], stdout=subprocess.PIPE)
    assert spawner.stdout.readline() == b"ready\n"
    inside = spawner.children(recursive=True)
    spawner.kill()
    spawner.wait()
    spawner.stdout.close()
    assert inside
    assert not psutil.wait_procs(inside, timeout=3)[1]
    # The next one to run programs tidies up what it could not.
    remove_stale_folders()


def test_many_at_once_do_not_disturb_each_other(best, run):
    code = "import threading\nt = threading.Thread(target=print, args=(input(),)); t.start(); t.join()"
    results = {}

    def one(n):
        results[n] = run(code, best, stdin=str(n).encode(), wall_seconds=20.0).stdout

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: f"{n}\n".encode() for n in range(12)}
