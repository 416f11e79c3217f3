import doctest
import sqlite3
import threading

import pytest

from grpo_cli import user_cache
from grpo_cli.errors import ConfigError
from grpo_cli.user_cache import CacheFile, default_folder

TABLE = {"things": "key TEXT PRIMARY KEY, value TEXT NOT NULL"}


def test_threads_write_one_file_and_an_error_takes_its_change_back(tmp_path):
    cache = CacheFile("some.sqlite", str(tmp_path / "made"), TABLE, "or live without")

    def write(key: str) -> None:
        with cache.open() as connection:
            connection.execute("INSERT INTO things VALUES (?, ?)", (key, "x"))

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(sqlite3.IntegrityError), cache.open() as connection:
        connection.execute("INSERT INTO things VALUES ('new', 'x')")
        connection.execute("INSERT INTO things VALUES ('0', 'x')")
    with CacheFile("some.sqlite", str(tmp_path / "made"), TABLE, "").open() as connection:
        assert sorted(key for (key,) in connection.execute("SELECT key FROM things")) == list("01234567")


def test_what_is_no_database_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "some.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"some.sqlite cannot be used \(.*\): delete it if .*, or live without"):
        CacheFile("some.sqlite", str(tmp_path), TABLE, "or live without")


def test_the_users_cache_folder_is_where_the_system_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "grpo-train"


def test_doctests():
    assert doctest.testmod(user_cache).attempted and not doctest.testmod(user_cache).failed
