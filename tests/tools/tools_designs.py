"""A design small enough to be built in a second, and a main program for it."""

from __future__ import annotations

MAC = b"""`default_nettype none
// Adds the products of a table's words with x, one word a cycle.
module mac #(parameter DEPTH = 16, parameter BITS = 4) (
  input wire clk, input wire start, input wire signed [7:0] x, output reg signed [19:0] sum, output reg done);
`include "widths.vh"
  reg signed [7:0] table_ [0:DEPTH-1];
  initial $readmemh("table.mem", table_);
  reg [BITS-1:0] at;
  reg signed [7:0] word;
  reg running, reading;
  always @(posedge clk) begin
    word <= table_[at];
    reading <= running & !start;
    if (start) begin at <= 0; sum <= 0; running <= 1; done <= 0; end
    else begin
      if (running) begin at <= at + 1; if (at == LAST) running <= 0; end
      if (reading) sum <= sum + word * x;
      done <= !running & !reading & !done;
    end
`ifdef CHECK
    if (start) assert (x != -8'sd128);
`endif
  end
endmodule
"""
HEADER = b"localparam [BITS-1:0] LAST = DEPTH - 1;\n"
TABLE = [3, -5, 100, -128, 127, 0, 1, 77, -99, 12, 45, -1, 0, 0, 8, -60]
MAIN = b"""#include "Vdesign.h"
#include "verilated.h"
#include <cstdio>
#include <cstdlib>
#include <memory>
int main(int count, char** values) {
  VerilatedContext context;
  std::unique_ptr<Vdesign> mac{new Vdesign{&context}};
  auto step = [&] { mac->clk = 0; mac->eval(); mac->clk = 1; mac->eval(); };
  std::FILE* out = std::fopen("sums.txt", "w");
  for (int i = 1; i < count; i++) {
    mac->x = std::atoi(values[i]); mac->start = 1; step(); mac->start = 0;
    int cycles = 1;
    while (!mac->done && cycles < 100) { step(); cycles++; }
    std::fprintf(out, "%d %d\\n", (int)(mac->sum << 12) >> 12, cycles);
  }
  std::fclose(out);
  return context.gotError();
}
"""


def mac_files(table: list[int]) -> dict[str, bytes]:
    words = "".join(f"{word & 255:02x}\n" for word in table)
    return {"mac.v": MAC, "widths.vh": HEADER, "table.mem": words.encode()}
