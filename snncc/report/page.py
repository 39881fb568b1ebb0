"""From the content of a report to its page: one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zlib
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from snncc.report import plots
from snncc.report.content import Array, CodeRaster, Content, Picture, Raster
from snncc.report.diagram import layout
from snncc.report.mesh import picture

FOLDER = Path(__file__).parent / "page"

FIRST_HUE, HUES = 215, 320
"""Degrees of the colour of the first unit, and that the units share."""


def render(content: Content) -> str:
    """The page as HTML without its doctype; every text is escaped, and no script but the page's own runs."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    program = _file("page.js")
    return environment.get_template("page.html").render(
        content=content,
        plots=plots,
        diagram=layout(content.network.boxes),
        chips=() if content.cores is None else tuple(map(picture, content.cores.meshes)),
        hues={} if content.cores is None else _hues(content.cores.units),
        raster=None if content.raster is None else _script(_plain_raster(content.raster)),
        style=_file("style.css"),
        program=program,
        digest=base64.b64encode(hashlib.sha256(program.encode()).digest()).decode(),
    )


def _hues(units: tuple[str, ...]) -> dict[str, int]:
    """A hue in degrees for every unit, from blue on around the circle in the order of the network."""
    return {unit: (FIRST_HUE + HUES * place // len(units)) % 360 for place, unit in enumerate(units)}


def _file(name: str) -> Markup:
    """A file of this package, which is the page's own and needs no escapes."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))


def _script(value: dict[str, Any]) -> Markup:
    """JSON that cannot end the script element around it."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _plain_raster(raster: Raster) -> dict[str, Any]:
    return {
        "pictures": [{"caption": each.caption, "png": _png(each)} for each in raster.pictures],
        "codes": [_plain_code(code) for code in raster.codes],
    }


def _plain_code(found: CodeRaster) -> dict[str, Any]:
    """`trains` holds the spikes of all rows of an image, one after the other, `sent` those of all neurons."""
    images = len(found.rows[0].trains)
    return {
        "code": found.code,
        "steps": found.steps,
        "window": found.window,
        "rows": [
            {
                "name": rows.name,
                "neurons": rows.neurons,
                "start": rows.start,
                "shown": rows.trains.shape[1],
                "window": rows.trains.shape[2],
            }
            for rows in found.rows
        ],
        "trains": [_packed([rows.trains[image] for rows in found.rows], "<i2") for image in range(images)],
        "sent": [_packed([rows.sent[image] for rows in found.rows], "<u4") for image in range(images)],
        "answer": None
        if found.answer is None
        else {
            "start": found.answer.start,
            "outputs": found.answer.values.shape[2],
            "values": [_packed([values], "<f4") for values in found.answer.values],
        },
    }


def _packed(parts: list[Array], kind: str) -> str:
    """Numbers as little-endian bytes, deflated, in base64."""
    data = b"".join(np.ascontiguousarray(part).astype(kind).tobytes() for part in parts)
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _png(picture: Picture) -> str:
    if picture.pixels is None:
        return ""
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
