"""Artefacts: the same bytes twice, nothing half-written, and no trust in what is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from snncc import artefact, folder
from snncc.artefact import AGAIN, GIVE
from snncc.driver import compile_model
from snncc.options import CompileOptions
from snncc.simulate import simulate
from snncc.verify import verify
from snncc_ir.errors import ArtefactError
from support.trained import pixels, write_data, write_residual


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact for Lava; tests copy it."""
    base = tmp_path_factory.mktemp("compiled")
    data = write_data(base / "d.npz", pixels(), labels=np.arange(40) % 5)
    model = write_residual(base / "m.onnx")
    compile_model(model, CompileOptions(output=base / "a.snncc", target="lava", calibrate=data))
    return base / "a.snncc"


@pytest.fixture
def copy(compiled: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(compiled, tmp_path / "a.snncc"))


def contents(path: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def compile_to(compiled: Path, output: Path, *, force: bool = False) -> None:
    """Compile the same model again."""
    base = compiled.parent
    options = CompileOptions(output=output, target="lava", calibrate=base / "d.npz", force=force)
    compile_model(base / "m.onnx", options)


def test_the_same_command_gives_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    compile_to(compiled, tmp_path / "b.snncc")
    assert contents(tmp_path / "b.snncc") == contents(compiled)


def test_the_manifest_names_every_file_and_the_source(compiled: Path) -> None:
    manifest = json.loads((compiled / "manifest.json").read_text())
    files = contents(compiled)
    del files["manifest.json"]
    assert manifest["files"] == {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    model = (compiled.parent / "m.onnx").read_bytes()
    digest = hashlib.sha256(model).hexdigest()
    assert manifest["source"] == {"file": "m.onnx", "sha256": digest, "external": {}}
    assert manifest["calibration"]["kind"] == "images"


def test_reading_gives_back_the_graph(compiled: Path) -> None:
    found = artefact.read(compiled)
    assert [node.name for node in found.graph.populations] == ["relu1", "relu2"]
    assert set(found.golden) == {"input.x", "levels.relu1", "levels.relu2", "output.y"}
    assert sorted(found.files) == [name for name in sorted(contents(compiled)) if name.startswith("lava/")]


@pytest.mark.parametrize("name", ["graph.json", "tensors.npz", "golden.npz", "lava/run.py"])
def test_a_damaged_file_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert (
        str(caught.value) == f"{copy / name}: is damaged: its content is not what the manifest says; {AGAIN}"
    )


def test_a_truncated_file_is_named(copy: Path) -> None:
    (copy / "tensors.npz").write_bytes((copy / "tensors.npz").read_bytes()[:-1])
    with pytest.raises(
        ArtefactError, match=r"tensors\.npz: is damaged: its size is not what the manifest says"
    ):
        artefact.read(copy)


def relist(path: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as a forger would."""
    manifest = json.loads((path / "manifest.json").read_text())
    data = (path / name).read_bytes()
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_changed_code_is_never_run(copy: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    code = copy / "lava" / "run.py"
    code.write_text(f"open({str(proof)!r}, 'w')\n" + code.read_text())
    relist(copy, "lava/run.py")
    data = write_data(tmp_path / "d.npz", pixels(2))
    message = f"{code}: is not what this artefact's graph emits to; it was changed, or written by another"
    for use in (lambda: verify(copy), lambda: simulate(copy, data, engine="lava")):
        with pytest.raises(ArtefactError) as caught:
            use()
        assert str(caught.value).startswith(message)
    assert not proof.exists()


def test_an_added_file_of_code_is_refused(copy: Path) -> None:
    (copy / "lava" / "extra.py").write_text("raise SystemExit\n")
    relist(copy, "lava/extra.py")
    with pytest.raises(ArtefactError, match=r"extra\.py: is not what this artefact's graph emits to"):
        verify(copy)


@pytest.mark.parametrize("name", ["lava/network/evil.py", "note.txt", ".hidden"])
def test_a_file_that_is_not_listed_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("raise SystemExit\n")
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value) == (
        f"{copy / name}: is not listed in the manifest; delete it, or compile the model again"
    )


@pytest.mark.parametrize("place", ["network", "nowhere"])
def test_a_link_that_is_not_listed_is_refused(copy: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "network").mkdir()
    (copy / "lava" / "more").symlink_to(tmp_path / place)
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value).startswith(f"{copy / 'lava' / 'more'}: is not listed in the manifest; ")


def test_compiled_code_that_a_run_left_is_refused(copy: Path) -> None:
    cache = copy / "lava" / "__pycache__"
    cache.mkdir()
    artefact.read(copy)
    (cache / "command.cpython-310.pyc").write_bytes(b"code")
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value) == (
        f"{cache}: holds compiled code that the manifest does not list; "
        "Python leaves it where lava/run.py was run; delete that folder"
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is readable")
def test_a_folder_that_cannot_be_searched_is_refused(copy: Path) -> None:
    (copy / "closed").mkdir(mode=0)
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value) == f"{copy / 'closed'}: cannot be read (Permission denied)"


NOTES = [
    ("snncc", 1), ("source", "model.onnx"), ("source.file", None), ("source.sha256", 7), ("target", []),
    ("chip", {}), ("pipeline", None), ("input", 1.5), ("calibration", []), ("calibration.kind", 0),
    ("calibration.images", True), ("calibration.images", "8"), ("calibration.images", 8.0),
    ("outputs", ["y"]), ("outputs", {"y": 1}), ("calibration.digests", "abc"), ("calibration.digests", [[]]),
]  # fmt: skip


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(("key", "value"), NOTES)
def test_a_note_of_another_type_is_damage(copy: Path, key: str, value: object, missing: bool) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    *parents, last = key.split(".")
    place = manifest[parents[0]] if parents else manifest
    if missing:
        del place[last]
    else:
        place[last] = value
    (copy / "manifest.json").write_text(json.dumps(manifest))
    first = {"source": "source.file", "calibration": "calibration.kind"}.get(key, key)
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value) == (
        f"{copy / 'manifest.json'}: is damaged: its entry {first} is missing or of another type; "
        "compile the model again"
    )


def test_outputs_that_the_graph_does_not_have(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text()) | {"outputs": {"y": "nowhere"}}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert (
        str(caught.value)
        == f"{copy / 'manifest.json'}: is damaged: its entry outputs names no outputs; {AGAIN}"
    )


@pytest.mark.parametrize("version", ["1", None, [1], {}])
def test_a_format_that_is_no_number_is_damage(copy: Path, version: object) -> None:
    manifest = json.loads((copy / "manifest.json").read_text()) | {"format": version}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        ArtefactError, match=r"manifest\.json: is damaged: its format is no number; compile the model again$"
    ):
        artefact.read(copy)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("levels.relu2", np.zeros((4, 1), np.float32), "'levels.relu2' does not hold integers"),
        ("output.y", np.zeros((4, 5), np.bool_), "'output.y' does not hold integers"),
        ("input.x", np.zeros((0, 2, 8, 8), np.int16), "'input.x' holds no images"),
        ("input.x", np.int16(3), "'input.x' holds no images"),
        ("", None, "it holds no arrays"),
    ],
)
def test_golden_vectors_that_prove_nothing_are_refused(
    copy: Path, name: str, values: np.ndarray | None, message: str
) -> None:
    with np.load(copy / "golden.npz") as stored:
        golden = {**stored, name: values} if name else {}
    np.savez(copy / "golden.npz", **golden)
    relist(copy, "golden.npz")
    with pytest.raises(ArtefactError) as caught:
        verify(copy)
    assert str(caught.value) == f"{copy / 'golden.npz'}: is damaged: {message}; {AGAIN}"


@pytest.mark.parametrize("name", ["x" * 300, "\ud800", "lava"])
def test_a_name_that_no_file_has(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": 1, "sha256": "0"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError) as caught:
        artefact.read(copy)
    assert str(caught.value) == f"{copy / name}: is missing or no plain file; {AGAIN}"


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/hostname", "lava/../../outside", "", ".", "a//b", "./graph.json", "a\0", "a\\b"],
)
def test_a_manifest_cannot_point_outside(copy: Path, name: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": 1, "sha256": "0"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="lists the unsafe path"):
        artefact.read(copy)


def test_a_link_out_of_the_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes((copy / "golden.npz").read_bytes())
    (copy / "golden.npz").unlink()
    (copy / "golden.npz").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtefactError, match=r"golden\.npz: is missing or no plain file"):
        artefact.read(copy)


def test_wrong_golden_integers_are_a_difference(copy: Path) -> None:
    golden = dict(np.load(copy / "golden.npz"))
    golden["levels.relu2"] = golden["levels.relu2"].copy()
    golden["levels.relu2"][1, 3, 2, 1] ^= 1
    np.savez(copy / "golden.npz", **golden)
    relist(copy, "golden.npz")
    rung = verify(copy).rungs[0]
    assert (rung.engine, rung.status.value) == ("reference", "different")
    assert rung.detail.startswith("levels.relu2 neuron (3, 2, 1), image 1: ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, f"no such artefact; {GIVE}"),
        (lambda path: path.write_text("x"), f"is no artefact folder; {GIVE}"),
        (lambda path: path.mkdir(), f"is no snncc artefact: it has no manifest.json; {GIVE}"),
    ],
)
def test_what_is_no_artefact(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "a"
    make(path)
    with pytest.raises(ArtefactError) as caught:
        artefact.read(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "other", "files": {}}', "[" * 100_000])
def test_a_foreign_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match=r"manifest\.json: (is damaged|belongs to no snncc artefact)"):
        artefact.read(tmp_path)


def test_another_format_says_which(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text()) | {"format": 99}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        ArtefactError, match="has format 99; this version reads format 1; compile the model again"
    ):
        artefact.read(copy)


def test_an_existing_folder_needs_force(compiled: Path, copy: Path) -> None:
    with pytest.raises(ArtefactError) as caught:
        compile_to(compiled, copy)
    assert str(caught.value) == f"{copy}: exists already; give --force to replace it, or another -o"
    (copy / "graph.json").write_text("damaged")
    compile_to(compiled, copy, force=True)
    assert contents(copy) == contents(compiled)


def test_force_replaces_nothing_but_an_artefact(compiled: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("years of work")
    with pytest.raises(ArtefactError, match="is no snncc artefact, so --force does not replace it"):
        compile_to(compiled, tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter1").read_text() == "years of work"


def test_a_full_disk_leaves_what_was_there(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "fsync", full)
    with pytest.raises(ArtefactError) as caught:
        folder.replace_folder(copy, {"a": b"1", "b/c": b"2"}, lambda: None)
    assert str(caught.value) == f"{copy}: cannot be written (No space left on device); nothing was changed"
    assert contents(copy) == before
    assert sorted(path.name for path in copy.parent.iterdir()) == [copy.name]


def test_a_failed_write_leaves_no_new_parents(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ArtefactError("no")

    (tmp_path / "there").mkdir()
    with pytest.raises(ArtefactError, match=r"^no$"):
        folder.replace_folder(tmp_path / "there" / "a" / "b" / "c", {"x": b"1"}, refuse)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_parent_that_another_uses_by_now_stays(tmp_path: Path) -> None:
    def refuse() -> None:
        (tmp_path / "a" / "theirs").write_text("x")
        raise ArtefactError("no")

    with pytest.raises(ArtefactError, match=r"^no$"):
        folder.replace_folder(tmp_path / "a" / "b" / "c", {"x": b"1"}, refuse)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "theirs"]


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtefactError, match=r"file/a/b: cannot be written \(Not a directory\)"):
        folder.replace_folder(tmp_path / "file" / "a" / "b", {"x": b"1"}, lambda: None)


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    theirs, own = tmp_path / ".a.snncc-new-x", tmp_path / ".[a].snncc-new-x"
    theirs.mkdir()
    own.mkdir()
    folder.replace_folder(tmp_path / "[a]", {"x": b"1"}, lambda: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [theirs.name, "[a]"]


def test_a_file_is_replaced_where_a_link_points(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    folder.replace_file(tmp_path / "link", b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "real").read_bytes()) == (True, b"new")
    assert len(list(tmp_path.iterdir())) == 2


def test_without_an_exchange_the_folder_is_replaced_in_two_renames(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_swap", lambda a, b: False)
    folder.replace_folder(copy, {"new": b"1"}, lambda: None)
    assert contents(copy) == {"new": b"1"}
    assert sorted(path.name for path in copy.parent.iterdir()) == [copy.name]


def test_a_writer_that_died_between_its_renames_is_recovered(copy: Path) -> None:
    before = contents(copy)
    copy.rename(copy.parent / f".{copy.name}.snncc-old-1")
    (copy.parent / f".{copy.name}.snncc-new-x").mkdir()
    seen: list[dict[str, bytes]] = []
    folder.replace_folder(copy, {"new": b"1"}, lambda: seen.append(contents(copy)))
    assert seen == [before]
    assert contents(copy) == {"new": b"1"}
    assert sorted(path.name for path in copy.parent.iterdir()) == [copy.name]


def test_two_writers_take_turns(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from snncc.folder import replace_folder
        name = sys.argv[2].encode()
        files = {f"{i}": name for i in range(20)}
        for _ in range(15):
            replace_folder(Path(sys.argv[1]), files, lambda: None)
    """)
    target = tmp_path / "a"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(target), name], env={**os.environ, "PYTHONPATH": path}
        )
        for name in ("one", "two", "three")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(set(contents(target).values())) == 1
    assert len(contents(target)) == 20
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a"]
