"""Every mistake of a user with options, paths and data, by command, and the one message that each gets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from support.trained import pixels

AGAIN = "; compile the model again"
GIVE = "; give the folder that `snncc compile` wrote"
NAMED = "; save the images under that name: numpy.savez(FILE, images=...)"
NUMBERS = "; save numbers alone, by numpy.save or numpy.savez"
SHAPES = "; give numbers of shape N,H,W, N,H,W,C or N,C,H,W"
SIZE = "; give images of that size"
NO_IMAGES = "says something of images, and there are none; give --data"
OLD = "old.snncc/manifest.json: has format 0; this version reads format 1" + AGAIN
CORRUPT = "corrupt.snncc/tensors.npz: is damaged: its content is not what the manifest says" + AGAIN
NOWHERE = "nowhere: no such artefact" + GIVE
EMPTY = "empty: is no snncc artefact: it has no manifest.json" + GIVE
NOT_THERE = "nowhere.npz: no such file or folder; check the path"
EXISTS = "exists already; give --force to replace it, or another "
PHASED = "this network's codes are phased: it has no answer before its last step; compile with --code rate"

Table = dict[str, dict[str, str]]


def write_files(folder: Path) -> None:
    """The files of the table, beside `model.onnx`, `data.npz` and the artefact `model.snncc` that are there."""
    for name in ("empty", "classes/0", "pictures/0"):
        (folder / name).mkdir(parents=True)
    for name in ("blank.onnx", "blank.nir", "blank.npz", "blank.npy", "file"):
        (folder / name).write_bytes(b"")
    for name in ("text.onnx", "text.npz", "text.toml", "pictures/0/a.png"):
        (folder / name).write_text("what it is not")
    (folder / "cut.npz").write_bytes((folder / "data.npz").read_bytes()[:100])
    np.save(folder / "flat.npy", np.zeros(3))
    arrays: dict[str, dict[str, np.ndarray]] = {
        "wide": {"images": np.zeros((3, 9, 9, 2), np.uint8)},
        "none": {"images": np.zeros((0, 2, 8, 8), np.uint8)},
        "unnamed": {"pictures": np.zeros(3)},
        "only": {"calibration": pixels(3)},
        "nan": {"images": np.full((3, 2, 8, 8), np.nan, np.float32)},
        "real": {"images": np.linspace(0, 1, 512, dtype=np.float32).reshape(4, 2, 8, 8)},
        "words": {"images": np.array(["a", "b"])},
        "pickle": {"images": np.array([{}])},
        "three": {"images": pixels(3), "labels": np.arange(3)},
        "two": {"images": pixels(30), "labels": np.arange(30) % 2},
        "unlabelled": {"images": pixels(30)},
        "few": {"images": pixels(3), "labels": np.zeros(2, np.int64)},
        "fractions": {"images": pixels(3), "labels": np.zeros(3)},
        "negative": {"images": pixels(3), "labels": np.array([0, -1, 2])},
        "beyond": {"images": pixels(3), "labels": np.array([0, 1, 99])},
    }
    for name, stored in arrays.items():
        np.savez(folder / f"{name}.npz", **stored)  # type: ignore[arg-type]
    _spoil_artefacts(folder)


def _spoil_artefacts(folder: Path) -> None:
    for name in ("old", "corrupt", "cut", "short", "foreign"):
        shutil.copytree(folder / "model.snncc", folder / f"{name}.snncc")
    manifest = json.loads((folder / "old.snncc" / "manifest.json").read_text()) | {"format": 0}
    (folder / "old.snncc" / "manifest.json").write_text(json.dumps(manifest))
    tensors = bytearray((folder / "corrupt.snncc" / "tensors.npz").read_bytes())
    tensors[len(tensors) // 2] ^= 1
    (folder / "corrupt.snncc" / "tensors.npz").write_bytes(tensors)
    (folder / "cut.snncc" / "manifest.json").write_text("{")
    (folder / "short.snncc" / "golden.npz").unlink()
    (folder / "foreign.snncc" / "manifest.json").write_text("{}")


SIM = "compile model.onnx --target sim -o out "
LAVA = "compile model.onnx --target lava -o out "
FPGA = "compile model.onnx --target fpga -o out --calibrate data.npz "
SIMULATE = "simulate model.snncc --data data.npz "
LIF = "loihi1 has stock LIF neurons: code rate, reset zero, levels 0 and 1; leave it out"

MISTAKES: Table = {
    "check": {
        "check nowhere.onnx": "nowhere.onnx: no such file; check the path",
        "check empty": "empty: is a folder; name the .onnx file in it",
        "check blank.onnx": "blank.onnx: is empty; export the model again",
        "check text.onnx": "text.onnx: is not an ONNX model, or is truncated; export or copy it again",
        "check blank.nir": "blank.nir: is a NIR file, of which nothing is lowered; snncc compile takes it",
    },
    "compile, files": {
        "compile nowhere.onnx --target sim": "nowhere.onnx: no such file; check the path",
        "compile empty --target sim": "empty: is a folder; name the .onnx file in it",
        "compile text.onnx --target sim": "text.onnx: is not an ONNX model, or is truncated; "
        "export or copy it again",
        "compile nowhere.nir --target sim": "nowhere.nir: no such file; check the path",
        "compile model.onnx --target sim -o empty": f"empty: {EXISTS}-o",
        "compile model.onnx --target sim -o file": f"file: {EXISTS}-o",
        "compile model.onnx --target sim -o empty --force": "empty: is no snncc artefact, so --force does not "
        "replace it; give another -o",
        SIM + "--dump-ir file": "file/00-lower.txt: cannot be written (File exists); see --dump-ir",
        SIM + "--calibrate nowhere.npz": NOT_THERE,
        SIM + "--calibrate empty": "empty: holds no class folders; put the images into one folder per class",
        SIM + "--calibrate classes": "classes: its class folders hold no images; put some there: .png, .jpg, "
        ".jpeg, .bmp, .gif, .tif, .tiff, .ppm, .pgm",
        SIM
        + "--calibrate pictures": "pictures/0/a.png: cannot be read as an image (cannot identify image file "
        "'pictures/0/a.png'); take it out, or save it again",
        SIM + "--calibrate text.onnx": "text.onnx: is not .npz, .npy or a folder of class folders; "
        "give one of those",
        SIM + "--calibrate blank.npz": "blank.npz: cannot be read as numpy arrays (No data left in file)"
        + NUMBERS,
        SIM + "--calibrate blank.npy": "blank.npy: cannot be read as numpy arrays (No data left in file)"
        + NUMBERS,
        SIM + "--calibrate cut.npz": "cut.npz: cannot be read as numpy arrays (File is not a zip file)"
        + NUMBERS,
        SIM + "--calibrate text.npz": "text.npz: cannot be read as numpy arrays (it is none, or holds Python "
        "objects)" + NUMBERS,
        SIM
        + "--calibrate pickle.npz": "pickle.npz: cannot be read as numpy arrays (it is none, or holds Python "
        "objects)" + NUMBERS,
    },
    "compile, data": {
        SIM + "--calibrate wide.npz": "wide.npz: images of 9x9x2 do not fit the network's input of 2x8x8"
        + SIZE,
        SIM + "--calibrate none.npz": "none.npz: holds no images; give at least one",
        SIM + "--calibrate unnamed.npz": "unnamed.npz: has no array called 'images', it holds pictures"
        + NAMED,
        SIM
        + "--calibrate nan.npz": "nan.npz: calibration images hold NaN or infinity; take those images out",
        SIM + "--calibrate flat.npy": "flat.npy: images of shape (3,) and type float64 are no images"
        + SHAPES,
        SIM + "--calibrate words.npz": "words.npz: images of shape (2,) and type <U1 are no images" + SHAPES,
        SIM + "--calibrate few.npz": "few.npz: labels of shape (2,) and type int64 do not fit 3 images; "
        "give one whole number per image",
        SIM
        + "--calibrate real.npz --scale 255": "real.npz: holds float32, but --scale, --mean and --std speak "
        "of pixels (uint8); leave them out: such images are in the network's own units",
        SIM + "--max-loss 1": "--max-loss: needs real images; give them with --calibrate",
        SIM + "--max-loss 1 --calibrate negative.npz": "--max-loss: needs at least 32 calibration images, "
        "there are 3",
    },
    "compile, options": {
        "compile model.onnx --target npu -o out": "--target: no target is called 'npu'; there are fpga, lava, sim",
        LAVA + "--chip loihi9": "--chip: target lava has no chip 'loihi9'; it has loihi2, loihi1",
        LAVA + "--chip loihi1 --code count": f"--code: {LIF}",
        LAVA + "--chip loihi1 --level-bits 3": f"--level-bits: {LIF}",
        LAVA + "--chip loihi1 --passes balance;quantize;choose_code": "loihi1: cannot express this network: "
        "small: phased timing; loihi1 has rate neurons alone, choose --code rate",
        FPGA + "--chip vu9p": "--chip: target fpga has no chip 'vu9p'; it has ecp5-85k, ecp5-45k, ecp5-25k, "
        "xczu7ev",
        SIM + "--level-bits 9": "--level-bits: must be 1 to 8, not 9",
        SIM + "--weight-bits 7": "--weight-bits: must be 1, 2, 3, 4, 5, 6 or 8, not 7",
        SIM + "--input-bits 0": "--input-bits: must be 1 to 8, not 0",
        SIM + "--steps 0": "--steps: must be at least 1, not 0",
        SIM + "--steps 9": "--steps: is for --code rate alone; leave it out, or choose that code",
        SIM
        + "--code stbif --reset zero": "--reset: is for --code rate alone; leave it out, or choose that code",
        SIM + "--code auto:time": "any: has no figures for energy and time, so codes have no price; "
        "compile for a chip of cores (--target lava), or name a --code",
        SIM + "--lanes 8": "--lanes: any has no lanes to choose; leave it out",
        SIM + "--partition": "--partition: any has no cores; leave it out",
        SIM + "--target-fps 0": "--target-fps: must be a positive number, not 0",
        SIM + "--target-fps 5": "--target-fps, --max-lut: target sim has no cores in a row; leave them out",
        SIM + "--max-lut 0": "--max-lut: must be at least 1, not 0",
        SIM + "--max-loss -1": "--max-loss: must be 0 to 100 percentage points, not -1",
        SIM + "--mean a,b": "--mean: 'a,b' is no list of numbers; write them as 0.5,0.4,0.3",
        SIM + "--mean 1,2,3": "--mean: 3 values do not fit the input's channels 2x8x8; "
        "give one number, or one for each channel",
        SIM + "--std 0": "--scale, --mean, --std: scale and std must be positive numbers, mean a number",
        SIM
        + "--published rueckauer --code auto": "--published: says what --code would say; leave out --code",
        SIM
        + "--published rueckauer --level-bits 8 --steps 8": "--published: says what --level-bits would say; "
        "leave out --level-bits",
        SIM + "--published rueckauer --passes balance": "--passes: says what --published would say; "
        "leave out --published",
        SIM
        + "--passes balance;quantize --level-bits 8 --code count": "--passes: says what --level-bits, --code "
        "would say; leave out --level-bits, --code",
        SIM
        + "--passes balance{x=1}": "--passes: balance has no option 'x'; it has method, level_bits, scope, "
        "widths",
        SIM + "--passes balance{": "--passes: cannot read 'balance{'; write name{option=value,option=value}",
        SIM + "--passes quantize": "relu1: has no thresholds yet; run balance before quantize",
    },
    "simulate": {
        "simulate nowhere --data data.npz": NOWHERE,
        "simulate model.onnx --data data.npz": f"model.onnx: is no artefact folder{GIVE}",
        "simulate old.snncc --data data.npz": OLD,
        "simulate corrupt.snncc --data data.npz": CORRUPT,
        "simulate cut.snncc --data data.npz": "cut.snncc/manifest.json: is damaged: Expecting property name "
        "enclosed in double quotes: line 1 column 2 (char 1)" + AGAIN,
        "simulate short.snncc --data data.npz": "short.snncc/golden.npz: is missing or no plain file" + AGAIN,
        "simulate foreign.snncc --data data.npz": "foreign.snncc/manifest.json: belongs to no snncc artefact"
        + GIVE,
        "simulate model.snncc --data nowhere.npz": NOT_THERE,
        "simulate model.snncc --data empty": "empty: holds no class folders; put the images into one folder per "
        "class",
        "simulate model.snncc --data wide.npz": "wide.npz: images of 9x9x2 do not fit the network's input of 2x8x8"
        + SIZE,
        "simulate model.snncc --data none.npz": "none.npz: holds no images; give at least one",
        "simulate model.snncc --data only.npz": f"only.npz: has no array called 'images'{NAMED}",
        "simulate model.snncc --data nan.npz": "nan.npz: images hold NaN or infinity; take those images out",
        "simulate model.snncc --data fractions.npz": "fractions.npz: labels of shape (3,) and type float64 do not "
        "fit 3 images; give one whole number per image",
        "simulate model.snncc --data negative.npz": "negative.npz: labels -1..2 do not fit the network's "
        "5 classes; number them from 0, in the order of its outputs",
        "simulate model.snncc --data beyond.npz": "beyond.npz: labels 0..99 do not fit the network's 5 classes; "
        "number them from 0, in the order of its outputs",
        SIMULATE + "--engine warp": "--engine: no engine is called 'warp'; "
        "there are native, levels, spikes, reference, cycles, csim, rtl, lava, lif",
        SIMULATE + "--engine lava": "model.snncc: engine lava runs artefacts for lava, this one is for sim; "
        "compile with --target lava",
        SIMULATE + "--every-step": f"--every-step: {PHASED}",
        SIMULATE + "--exit-margin 1": f"--exit-margin: {PHASED}",
        SIMULATE + "--exit-margin -1": "--exit-margin: must be a number of at least 0, not -1.0",
        SIMULATE + "--outputs y.txt": "--outputs y.txt: must name an .npy or .npz file in an existing folder",
        SIMULATE + "--outputs empty": "--outputs empty: must name an .npy or .npz file in an existing folder",
        SIMULATE
        + "--outputs no/y.npy": "--outputs no/y.npy: must name an .npy or .npz file in an existing folder",
        SIMULATE + "--shards there": "--shards there: goes with --scheduler alone; leave it out",
        SIMULATE
        + "--scheduler host": "--scheduler host: is no address (missing port number in address 'host'); "
        "give one such as tcp://host:8786",
    },
    "verify": {
        "verify nowhere": NOWHERE,
        "verify empty": EMPTY,
        "verify old.snncc": OLD,
        "verify corrupt.snncc": CORRUPT,
        "verify model.snncc --engine warp": "--engine: target sim has no engine 'warp' of its own; leave it out, "
        "and snncc's engines are compared",
    },
    "build": {
        "build nowhere": NOWHERE,
        "build empty": EMPTY,
        "build old.snncc": OLD,
        "build model.snncc": "model.snncc: is for target sim, of which no hardware is built; "
        "compile with --target fpga",
    },
    "explain": {
        "explain nowhere": NOWHERE,
        "explain corrupt.snncc --data data.npz": CORRUPT,
        "explain model.snncc --data nowhere.npz": NOT_THERE,
        "explain model.snncc --data data.npz --model nowhere.onnx": "nowhere.onnx: no such file; check the path",
        "explain model.snncc --data data.npz --model text.onnx": "text.onnx: is not an ONNX model, or is "
        "truncated; export or copy it again",
        "explain model.snncc --limit 5": f"--limit: {NO_IMAGES}",
        "explain model.snncc --model model.onnx": f"--model: {NO_IMAGES}",
        "explain model.snncc --chip z80": "--chip: no chip is called 'z80'; there are loihi1, loihi2, or give a "
        "description (.toml, see docs/cores.md)",
        "explain model.snncc --chip nowhere.toml": "nowhere.toml: cannot be read (No such file or directory); "
        "check the path and its permissions",
    },
    "report": {
        "report nowhere": NOWHERE,
        "report old.snncc": OLD,
        "report model.snncc --data nowhere.npz": NOT_THERE,
        "report model.snncc --model nowhere.onnx": "nowhere.onnx: no such file; check the path",
        "report model.snncc --data beyond.npz": "beyond.npz: labels 0..99 do not fit the network's 5 classes; "
        "number them from 0, in the order of its outputs",
        "report model.snncc --out file": f"file: {EXISTS}--out",
        "report model.snncc --out file --force": "file: is no report of snncc, so --force does not replace it; "
        "give another --out",
        "report model.snncc --out no/page.html": "no/page.html: its folder does not exist; make it, or give "
        "another --out",
    },
    "sweep": {
        "sweep nowhere.onnx --data data.npz": "nowhere.onnx: no such file; check the path",
        "sweep text.onnx --data data.npz": "text.onnx: is not an ONNX model, or is truncated; "
        "export or copy it again",
        "sweep model.onnx --data nowhere.npz": NOT_THERE,
        "sweep model.onnx --data data.npz --levels 99": "--levels: '99' is not a whole number of 1 to 8; "
        "write a list such as 2,4,8",
        "sweep model.onnx --data data.npz --pick nonsense": "--pick: cannot read 'nonsense'; write conditions "
        'and one goal, as in "loss<=0.5, min energy"',
    },
    "tune": {
        "tune nowhere --data data.npz --epochs 1": NOWHERE,
        "tune empty --data data.npz --epochs 1": EMPTY,
        "tune model.snncc --data nowhere.npz --epochs 1": NOT_THERE,
        "tune model.snncc --data data.npz --epochs 0": "--epochs: must be at least 1, not 0",
        "tune model.snncc --data data.npz --epochs 1 --patience 0": "--patience: must be at least 1, not 0",
        "tune model.snncc --data data.npz --epochs 1 --rate 0": "--rate: must be above 0 and at most 1, not 0",
        "tune model.snncc --data data.npz --epochs 1 --batch 0": "--batch: must be 1 to 4096, not 0",
        "tune model.snncc --data data.npz --epochs 1 --seed -1": "--seed: must not be negative, as -1 is",
        "tune model.snncc --data data.npz --epochs 1 --augment spin": "--augment: 'spin' is no change of images; "
        "give none, or some of flip, crop joined by +",
        "tune model.snncc --data data.npz --epochs 1 --augment mixup": "--augment: 'mixup' is no change of "
        "images; give none, or some of flip, crop joined by +",
        "tune model.snncc --data data.npz --epochs 1 -o model.snncc": f"model.snncc: {EXISTS}-o",
        "tune model.snncc --data few.npz --epochs 1": "few.npz: labels of shape (2,) and type int64 do not fit "
        "3 images; give one whole number per image",
        "tune model.snncc --data beyond.npz --epochs 1": "beyond.npz: labels 0..99 do not fit the network's 5 "
        "classes; number them from 0, in the order of its outputs",
        "tune model.snncc --data wide.npz --epochs 1": "wide.npz: images of 9x9x2 do not fit the network's "
        f"input of 2x8x8{SIZE}",
        "tune model.snncc --data unlabelled.npz --epochs 1 --aim labels": "unlabelled.npz: has no labels; learn "
        "the float network's answers instead: --aim float",
        "tune model.snncc --data three.npz --epochs 1": "three.npz: holds 3 images, and a tenth is held out; "
        "give 20 or more",
        "tune model.snncc --data two.npz --epochs 1": "two.npz: has no image of class 2, 3, 4 to learn from; give "
        "images of all 5 classes, or learn the float network's answers: --aim float",
        "tune model.snncc --data data.npz --epochs 1 --aim float --model nowhere.onnx": "nowhere.onnx: no such "
        "file; check the path",
    },
    "export": {
        "export nowhere --to nir": NOWHERE,
        "export corrupt.snncc --to nir": CORRUPT,
        "export model.snncc --to nir": "model.snncc: NIR cannot express this network: small: phased timing, and a "
        "neuron of NIR only integrates and fires in every step; compile with --code rate",
        "export model.snncc --to nir -o no/x.nir": "no/x.nir: its folder does not exist; make it, or give "
        "another -o",
    },
    "show": {
        "show nowhere": NOWHERE,
        "show empty": EMPTY,
        "show model.onnx": f"model.onnx: is no artefact folder{GIVE}",
        "show old.snncc": OLD,
        "show corrupt.snncc": CORRUPT,
    },
}
"""By command: what was typed, and what stands behind "snncc: error: " on standard error."""

USAGE = (
    "fly",
    "check",
    "check a --fast",
    "compile model.onnx",
    "compile model.onnx --target",
    "compile model.onnx --target sim --code morse",
    "compile model.onnx --target lava --code auto:speed",
    "compile model.onnx --target sim --level-bits four",
    "compile model.onnx --target sim --reset never",
    "simulate model.snncc",
    "simulate model.snncc --data data.npz --limit 0",
    "build model.snncc --stage printed",
    "explain model.snncc --limit 0",
    "report model.snncc --limit many",
    "export model.snncc",
    "export model.snncc --to pdf",
    "show",
)
"""Commands that are not understood at all: exit 2."""
