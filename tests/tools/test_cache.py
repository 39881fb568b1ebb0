"""The cache of builds: files come back as they were, or not at all."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc_backends.tools.cache import BuildCache, build_cache, cached, digest


def put(cache: BuildCache, folder: Path, key: str, content: bytes) -> None:
    source = folder / "source"
    source.write_bytes(content)
    cache.store(key, source)


def get(cache: BuildCache, folder: Path, key: str) -> bytes | None:
    target = folder / "target"
    return target.read_bytes() if cache.fetch(key, target) else None


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    program = tmp_path / "program"
    program.write_bytes(b"abc")
    program.chmod(0o755)
    cache.store("key", program)
    assert get(cache, tmp_path, "key") == b"abc"
    assert os.access(tmp_path / "target", os.X_OK)
    assert get(cache, tmp_path, "other") is None
    put(cache, tmp_path, "key", b"abc")  # a second process that built the same
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_damaged_file_is_thrown_away(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    put(cache, tmp_path, "key", b"abc")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"abd")
    assert get(cache, tmp_path, "key") is None
    assert not kept.exists()


def test_the_least_recently_used_files_go(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", limit=250)
    for age, key in enumerate("ab"):
        put(cache, tmp_path, key, bytes(100))
        (kept,) = (tmp_path / "cache").glob(f"{key}-*")
        os.utime(kept, (age, age))
    assert get(cache, tmp_path, "a") is not None  # now younger than b
    put(cache, tmp_path, "c", bytes(100))
    assert [get(cache, tmp_path, key) is not None for key in "abc"] == [True, False, True]


def test_a_file_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", limit=10)
    put(cache, tmp_path, "large", bytes(11))
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_folder_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for cache in (BuildCache(None), BuildCache(tmp_path / "file" / "cache")):
        put(cache, tmp_path, "key", b"abc")
        assert get(cache, tmp_path, "key") is None


def test_a_build_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNCC_CACHE", str(tmp_path / "cache"))
    target = tmp_path / "target"
    made: list[bytes] = []

    def make() -> None:
        made.append(b"x")
        target.write_bytes(b"x")

    for _ in range(2):
        cached(digest("a"), target, make)
        assert target.read_bytes() == b"x"
        target.unlink()
    assert made == [b"x"]
    monkeypatch.setenv("SNNCC_CACHE", "")
    cached(digest("a"), target, make)
    assert made == [b"x", b"x"]


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNNCC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert build_cache().folder == Path("/caches/snncc/builds")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert build_cache().folder == Path.home() / ".cache" / "snncc" / "builds"
    monkeypatch.setenv("SNNCC_CACHE", "")
    assert build_cache().folder is None


def _use(folder: str, worker: int) -> int:
    """Store and fetch under pressure; counts fetches that gave something else than was stored."""
    cache, own = BuildCache(Path(folder) / "cache", limit=500), Path(folder) / str(worker)
    own.mkdir()
    wrong = 0
    for turn in range(60):
        key = str(turn % 7)
        put(cache, own, key, key.encode() * 100)
        wrong += get(cache, own, key) not in (None, key.encode() * 100)
    return wrong


def test_two_processes_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_use, [str(tmp_path)] * 2, range(2))) == [0, 0]
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) <= 1000


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_digests_tell_lists_apart(first: list[str], second: list[str]) -> None:
    assert (digest(*first) == digest(*second)) == (first == second)
