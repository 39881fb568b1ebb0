"""The Verilog of a chain: fixed modules, and a top that wires the cores of one network."""

from __future__ import annotations

from collections.abc import Iterator

from snncc_backends.fpga.chain.links import Format
from snncc_backends.fpga.chain.tables import Chain, ChainCore
from snncc_backends.fpga.emit import core, parameters, verilog
from snncc_backends.fpga.maps import WORD
from snncc_backends.tools.design import Design

TOP = "snncc_chain"

FIXED = ("snncc_link.v", "snncc_resize.v", "snncc_send.v")
"""What a chain has beside the core; the same for every network."""

NOT_IN_A_CHAIN = "snncc_top.v"


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
    return {**modules, **fixed, **tables, f"{TOP}.v": top_of(chain)}


def chain_design(chain: Chain, *defines: str) -> Design:
    """The chain as tools take it, without pins."""
    return Design(top=TOP, files=chain_files(chain), defines=defines)


def top_of(chain: Chain) -> bytes:
    """The module that holds all cores and links."""
    ports = [
        "input wire clk",
        "input wire rst",
        "input wire host_valid",
        "output wire host_ready",
        f"input wire {_range(WORD * chain.cores[0].link.format.bits)} host_data",
        *_leaving_ports(chain),
        *(port for number, item in enumerate(chain.cores) for port in _core_ports(number, item)),
    ]
    lines = [
        "// The cores of one network in a row, each with the link before it. Every core shows what it writes.",
        "`default_nettype none",
        f"module {TOP} (",
        *(f"    {port}," for port in ports[:-1]),
        f"    {ports[-1]}",
        ");",
        "    wire push0 = host_valid && host_ready;",
        f"    wire {_range(WORD * chain.cores[0].link.format.bits)} push_data0 = host_data;",
        *(f"    wire ready{number};" for number in range(len(chain.cores))),
        *(line for number in range(len(chain.cores)) for line in _core(chain, number)),
        "    assign host_ready = ready0;",
        "endmodule",
        "`default_nettype wire",
        "",
    ]
    return "\n".join(lines).encode("ascii")


def _range(bits: int) -> str:
    return f"[{bits - 1}:0]"


def _leaving_ports(chain: Chain) -> tuple[str, ...]:
    if chain.leaving_format is None:
        return ()
    return (
        "output wire leaving_valid",
        f"output wire {_range(WORD * chain.leaving_format.bits)} leaving_data",
    )


def _core_ports(number: int, item: ChainCore) -> tuple[str, ...]:
    widths = item.tables.widths
    return (
        f"output wire {_range(widths.groups)} map_write{number}",
        f"output wire {_range(widths.map_address)} map_address{number}",
        f"output wire {_range(WORD * widths.level)} map_data{number}",
        f"output wire result_valid{number}",
        f"output wire [31:0] result_address{number}",
        f"output wire {_range(widths.groups * widths.potential)} result_data{number}",
    )


def _core(chain: Chain, number: int) -> Iterator[str]:
    """A link, the core behind it, and what leaves the two."""
    item = chain.cores[number]
    widths, form = item.tables.widths, item.link.format
    last = number + 1 == len(chain.cores)
    n, level = number, Format(bits=widths.level, signed=bool(widths.signed_levels))
    yield ""
    yield f"    // core {n}"
    yield f"    wire keep{n}, forward{n}, start{n}, done{n};"
    yield f"    wire {_range(WORD * form.bits)} arriving{n};"
    yield f"    wire {_range(WORD * level.bits)} load{n};"
    yield f"    wire {_range(widths.bank_bits)} bank{n};"
    yield f"    wire {_range(widths.map_address)} address{n};"
    yield f"    snncc_link #(.WIDTH({WORD * form.bits}), .WORDS({len(item.link.words)}), .GB({widths.bank_bits}),"
    yield f'        .MA({widths.map_address}), .FOLDER("{folder_of(n)}")) link{n} ('
    yield f"        .clk(clk), .rst(rst), .ready(ready{n}), .push(push{n}), .push_data(push_data{n}),"
    yield f"        .next_ready({_next_ready(last, n)}), .core_done(done{n}), .data(arriving{n}), .keep(keep{n}),"
    yield f"        .bank(bank{n}), .address(address{n}), .forward(forward{n}), .start(start{n}));"
    yield _resize(f"fit{n}", form, level, f"arriving{n}", f"load{n}")
    yield "    /* verilator lint_off PINCONNECTEMPTY */"
    yield f"    snncc_core #({', '.join(f'.{name}({value})' for name, value in parameters(item.tables).items())},"
    yield f'        .FOLDER("{folder_of(n)}")) core{n} ('
    yield f"        .clk(clk), .rst(rst), .start(start{n}), .busy(), .done(done{n}), .cycle(),"
    yield f"        .host_write(keep{n}), .host_bank(bank{n}), .host_address(address{n}), .host_data(load{n}),"
    yield f"        .map_write(map_write{n}), .map_address(map_address{n}), .map_data(map_data{n}),"
    yield f"        .result_valid(result_valid{n}), .result_address(result_address{n}), .result_data(result_data{n}));"
    yield "    /* verilator lint_on PINCONNECTEMPTY */"
    behind = chain.leaving_format if last else chain.cores[n + 1].link.format
    if behind is not None:
        yield from _leaving(item, n, level, behind)
    if last and behind is not None:
        yield f"    assign leaving_valid = push{n + 1};"
        yield f"    assign leaving_data = push_data{n + 1};"


def _next_ready(last: bool, number: int) -> str:
    return "1'b1" if last else f"ready{number + 1}"


def _leaving(item: ChainCore, n: int, level: Format, behind: Format) -> Iterator[str]:
    """Words that are carried past a core, and those of its own that leave it."""
    width, after = _range(WORD * behind.bits), n + 1
    yield f"    wire {width} carried{n};"
    yield _resize(f"carry{n}", item.link.format, behind, f"arriving{n}", f"carried{n}")
    if item.runs is None:
        yield f"    wire push{after} = forward{n};"
        yield f"    wire {width} push_data{after} = carried{n};"
        return
    bits = item.runs.fields[0].bits
    yield f"    wire sent{n};"
    yield f"    wire {_range(WORD * level.bits)} made{n};"
    yield f"    wire {width} fresh{n};"
    yield f"    snncc_send #(.WIDTH({WORD * level.bits}), .CB({bits}), .RUNS({len(item.runs.counts)}),"
    yield f'        .FOLDER("{folder_of(n)}")) send{n} ('
    yield f"        .clk(clk), .rst(rst), .write(|map_write{n}), .write_data(map_data{n}),"
    yield f"        .push(sent{n}), .push_data(made{n}));"
    yield _resize(f"widen{n}", level, behind, f"made{n}", f"fresh{n}")
    yield f"    wire push{after} = sent{n} || forward{n};"
    yield f"    wire {width} push_data{after} = sent{n} ? fresh{n} : carried{n};"


def _resize(name: str, source: Format, result: Format, given: str, wanted: str) -> str:
    return (
        f"    snncc_resize #(.FROM({source.bits}), .TO({result.bits}), .SIGNED({int(source.signed)})) {name} (\n"
        f"        .from({given}), .to({wanted}));"
    )
