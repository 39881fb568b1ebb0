"""What a bitstream of a chain holds: the chain with registered pins, few enough for a package."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.capacity import result_words
from snncc_backends.fpga.chain.tables import Chain
from snncc_backends.fpga.chain.text import bits_of, instance, module_text, wire
from snncc_backends.fpga.chain.verilog import TOP, chain_files
from snncc_backends.fpga.emit import verilog
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.tools.design import Design

BOARD = "snncc_chain_board"
FIXED = ("snncc_pins.v", "snncc_results.v")
COMMENT = """The chain with registered pins. The host shifts a word in, 32 bits at a time, low ones first, and
// writes it when the chain is ready, which takes three cycles to tell of a write. Four cycles after it has
// named a word of the results, its group and core, it reads the value."""


def board_files(chain: Chain) -> dict[str, bytes]:
    """What synthesis reads beside the chain."""
    return {f"{BOARD}.v": _board(chain), **{name: verilog(name) for name in FIXED}}


def board_design(chain: Chain) -> Design:
    """The chain with its pins, as synthesis takes it."""
    return Design(top=BOARD, files={**chain_files(chain), **board_files(chain)})


def _board(chain: Chain) -> bytes:
    readers = [n for n, core in enumerate(chain.cores) if any(item.results for item in core.tables.passes)]
    most = max((chain.cores[n].tables.widths.potential for n in readers), default=1)
    ports = [
        "input wire clk",
        "input wire rst",
        "input wire host_shift",
        "input wire [31:0] host_part",
        "input wire host_write",
        "output wire host_ready",
        "input wire [15:0] result_word",
        "input wire [7:0] result_group",
        "input wire [7:0] result_core",
        f"output reg {bits_of(most)} result",
        f"output reg {bits_of(len(chain.cores))} finished",
    ]
    if chain.leaving_format is not None:
        data = bits_of(WORD * chain.leaving_format.bits)
        ports += ["output reg leaving_valid", f"output reg {data} leaving"]
    return module_text(COMMENT, BOARD, ports, _body(chain, readers, most))


def _body(chain: Chain, readers: list[int], most: int) -> Iterator[str]:
    host = WORD * chain.cores[0].link.format.bits
    yield "    wire reset, valid, ready;"
    yield wire(host, "word")
    yield wire(len(chain.cores), "done")
    through = ("clk", "rst", "host_shift", "host_part", "host_write", "host_ready")
    pins = {name: name for name in (*through, "reset", "valid", "ready", "word")}
    yield instance("snncc_pins", "pins", {"WORD": host}, pins)
    ports = {"clk": "clk", "rst": "reset", "host_valid": "valid", "host_ready": "ready", "host_data": "word"}
    ports["done"] = "done"
    for n in readers:
        yield from _results(chain, n)
        ports |= {f"{name}{n}": f"{name}{n}" for name in ("result_valid", "result_address", "result_data")}
    if chain.leaving_format is not None:
        yield "    wire leaves;"
        yield wire(WORD * chain.leaving_format.bits, "leaving_word")
        ports |= {"leaving_valid": "leaves", "leaving_data": "leaving_word"}
    yield instance(TOP, "chain", {}, ports)
    yield from _registers(chain, readers, most)


def _results(chain: Chain, n: int) -> Iterator[str]:
    """The memory of what a core's readouts give."""
    tables = chain.cores[n].tables
    widths = tables.widths
    yield f"    wire result_valid{n};"
    yield f"    wire [31:0] result_address{n};"
    yield wire(widths.groups * widths.potential, f"result_data{n}")
    yield wire(widths.potential, f"result{n}")
    ports = {
        "clk": "clk",
        "valid": f"result_valid{n}",
        "address": f"result_address{n}",
        "data": f"result_data{n}",
        "word": "{16'b0, result_word}",
        "group": "{8'b0, result_group}",
        "value": f"result{n}",
    }
    parameters = {"G": widths.groups, "VB": widths.potential, "WORDS": result_words(tables)}
    yield instance("snncc_results", f"results{n}", parameters, ports)


def _registers(chain: Chain, readers: list[int], most: int) -> Iterator[str]:
    yield "    always @(posedge clk) begin"
    yield "        finished <= done;"
    if chain.leaving_format is not None:
        yield "        leaving_valid <= leaves;"
        yield "        leaving <= leaving_word;"
    yield "        result <= 0;"
    for n in readers:
        bits = chain.cores[n].tables.widths.potential
        sign = f"{{{most - bits}{{result{n}[{bits - 1}]}}}}, " if bits < most else ""
        yield f"        if (result_core == {n}) result <= {{{sign}result{n}}};"
    yield "    end"
