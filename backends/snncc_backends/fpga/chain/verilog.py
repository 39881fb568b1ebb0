"""The Verilog of a chain: fixed modules, and a top that wires the cores of one network."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.chain.links import Format
from snncc_backends.fpga.chain.tables import Chain, ChainCore
from snncc_backends.fpga.chain.text import bits_of, instance, module_text, wire
from snncc_backends.fpga.emit import core, parameters, verilog
from snncc_backends.fpga.planning.maps import BYTE_SHIFT, WORD
from snncc_backends.fpga.tables.tables import Widths
from snncc_backends.tools.design import Design

TOP = "snncc_chain"

FIXED = ("snncc_link.v", "snncc_resize.v", "snncc_send.v")
"""What a chain has beside the core; the same for every network."""

NOT_IN_A_CHAIN = "snncc_top.v"
COMMENT = "The cores of one network in a row, each with the link before it. Every core shows what it writes."


def folder_of(number: int) -> str:
    """Where the tables of a core lie."""
    return f"core{number}"


def chain_files(chain: Chain) -> dict[str, bytes]:
    """Everything that simulation and synthesis read of a chain."""
    modules = {name: data for name, data in core().items() if name != NOT_IN_A_CHAIN}
    fixed = {name: verilog(name) for name in FIXED}
    tables = {
        f"{folder_of(number)}/{name}.mem": memory.text()
        for number, item in enumerate(chain.cores)
        for name, memory in item.memories.items()
    }
    return {**modules, **fixed, **tables, f"{TOP}.v": _top(chain)}


def chain_design(chain: Chain, *defines: str) -> Design:
    """The chain as tools take it, without pins."""
    return Design(top=TOP, files=chain_files(chain), defines=defines)


def _top(chain: Chain) -> bytes:
    host = WORD * chain.cores[0].link.format.bits
    ports = [
        "input wire clk",
        "input wire rst",
        "input wire host_valid",
        "output wire host_ready",
        f"input wire {bits_of(host)} host_data",
        f"output wire {bits_of(len(chain.cores))} done",
        *_leaving_ports(chain),
        *(port for number, item in enumerate(chain.cores) for port in _core_ports(number, item)),
    ]
    body = [
        *(f"    wire ready{number};" for number in range(len(chain.cores))),
        "    wire push0 = host_valid && host_ready;",
        f"    wire {bits_of(host)} push_data0 = host_data;",
        "    assign host_ready = ready0;",
        *(line for number in range(len(chain.cores)) for line in _core(chain, number)),
    ]
    return module_text(COMMENT, TOP, ports, body)


def _leaving_ports(chain: Chain) -> tuple[str, ...]:
    if chain.leaving_format is None:
        return ()
    data = bits_of(WORD * chain.leaving_format.bits)
    return ("output wire leaving_valid", f"output wire {data} leaving_data")


def _core_ports(number: int, item: ChainCore) -> tuple[str, ...]:
    widths = item.tables.widths
    return (
        f"output wire {bits_of(widths.groups)} map_write{number}",
        f"output wire {bits_of(_shown_address(widths))} map_address{number}",
        f"output wire {bits_of(WORD * widths.level)} map_data{number}",
        f"output wire result_valid{number}",
        f"output wire [31:0] result_address{number}",
        f"output wire {bits_of(widths.groups * widths.potential)} result_data{number}",
    )


def _shown_address(widths: Widths) -> int:
    """Bits of an address as it is shown: the byte of a packed word stands above it."""
    return BYTE_SHIFT + 3 if widths.binary else widths.map_address


def _core(chain: Chain, n: int) -> Iterator[str]:
    """Link n, the core behind it, and what leaves the two."""
    item, last = chain.cores[n], n + 1 == len(chain.cores)
    widths, form = item.tables.widths, item.link.format
    own = Format(bits=widths.level, signed=bool(widths.signed_levels))
    behind = chain.leaving_format if last else chain.cores[n + 1].link.format
    yield ""
    yield f"    wire keep{n}, forward{n}, start{n};"
    yield wire(WORD * form.bits, f"arriving{n}")
    yield wire(WORD * own.bits, f"load{n}")
    yield wire(widths.bank_bits, f"bank{n}")
    yield wire(widths.map_address, f"address{n}")
    yield _link(item, n, "1'b1" if last else f"ready{n + 1}")
    yield _resize(f"fit{n}", form, own, f"arriving{n}", f"load{n}")
    yield f"    wire busy{n};"
    yield wire(32, f"cycle{n}")
    yield wire(widths.map_address, f"written{n}")
    yield wire(3, f"part{n}")
    yield _level_core(item, n)
    gap = BYTE_SHIFT - widths.map_address
    between = f"{{{gap}{{1'b0}}}}, " if gap else ""
    whole = f"{{part{n}, {between}written{n}}}" if widths.binary else f"written{n}"
    yield f"    assign map_address{n} = {whole};"
    if behind is not None:
        yield from _carried(item, n, behind)
        yield from _pushed(item, n, own, behind)
    if last and behind is not None:
        yield f"    assign leaving_valid = push{n + 1};"
        yield f"    assign leaving_data = push_data{n + 1};"


def _link(item: ChainCore, n: int, next_ready: str) -> str:
    widths = item.tables.widths
    parameters: dict[str, int | str] = {
        "WIDTH": WORD * item.link.format.bits,
        "WORDS": len(item.link.words),
        "GB": widths.bank_bits,
        "MA": widths.map_address,
        "FOLDER": folder_of(n),
    }
    ports = {
        "clk": "clk",
        "rst": "rst",
        "ready": f"ready{n}",
        "push": f"push{n}",
        "push_data": f"push_data{n}",
        "next_ready": next_ready,
        "core_done": f"done[{n}]",
        "data": f"arriving{n}",
        "keep": f"keep{n}",
        "bank": f"bank{n}",
        "address": f"address{n}",
        "forward": f"forward{n}",
        "start": f"start{n}",
    }
    return instance("snncc_link", f"link{n}", parameters, ports)


def _level_core(item: ChainCore, n: int) -> str:
    shown = ("map_write", "map_data", "result_valid", "result_address", "result_data")
    ports = {
        "clk": "clk",
        "rst": "rst",
        "start": f"start{n}",
        "busy": f"busy{n}",
        "done": f"done[{n}]",
        "cycle": f"cycle{n}",
        "host_write": f"keep{n}",
        "host_bank": f"bank{n}",
        "host_address": f"address{n}",
        "host_data": f"load{n}",
        **{name: f"{name}{n}" for name in shown},
        "map_address": f"written{n}",
        "map_part": f"part{n}",
    }
    given: dict[str, int | str] = {**parameters(item.tables), "FOLDER": folder_of(n)}
    return instance("snncc_core", f"core{n}", given, ports)


def _carried(item: ChainCore, n: int, behind: Format) -> Iterator[str]:
    """Words that are carried past a core."""
    yield wire(WORD * behind.bits, f"carried{n}")
    yield _resize(f"carry{n}", item.link.format, behind, f"arriving{n}", f"carried{n}")


def _pushed(item: ChainCore, n: int, own: Format, behind: Format) -> Iterator[str]:
    """What goes over the next link: carried words, and those of the core's own that leave it."""
    width, after = bits_of(WORD * behind.bits), n + 1
    if item.runs is None:
        yield f"    wire push{after} = forward{n};"
        yield f"    wire {width} push_data{after} = carried{n};"
        return
    parameters: dict[str, int | str] = {
        "WIDTH": WORD * own.bits,
        "CB": item.runs.fields[0].bits,
        "RUNS": len(item.runs.counts),
        "FOLDER": folder_of(n),
    }
    ports = {
        "clk": "clk",
        "rst": "rst",
        "write": f"|map_write{n}",
        "write_data": f"map_data{n}",
        "push": f"sent{n}",
        "push_data": f"made{n}",
    }
    yield f"    wire sent{n};"
    yield wire(WORD * own.bits, f"made{n}")
    yield wire(WORD * behind.bits, f"fresh{n}")
    yield instance("snncc_send", f"send{n}", parameters, ports)
    yield _resize(f"widen{n}", own, behind, f"made{n}", f"fresh{n}")
    yield f"    wire push{after} = sent{n} || forward{n};"
    yield f"    wire {width} push_data{after} = sent{n} ? fresh{n} : carried{n};"


def _resize(name: str, source: Format, result: Format, given: str, wanted: str) -> str:
    parameters = {"FROM": source.bits, "TO": result.bits, "SIGNED": int(source.signed)}
    return instance("snncc_resize", name, parameters, {"from": given, "to": wanted})
