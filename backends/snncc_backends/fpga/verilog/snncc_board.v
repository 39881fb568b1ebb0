// What a bitstream holds: the level core with registered pins, few enough for a package. The host shifts a word in,
// 32 bits at a time and the low ones first, and writes it; it reads the values of a readout after `done`.
`default_nettype none
`include "params.vh"
`include "board.vh"
module snncc_board #(
    parameter G = `SNNCC_P / 8,
    parameter GB = G > 2 ? $clog2(G) : 1,
    parameter WORD = 8 * `SNNCC_LB,
    parameter PARTS = (WORD + 31) / 32,
    parameter RA = `SNNCC_RESULT_WORDS > 2 ? $clog2(`SNNCC_RESULT_WORDS) : 1
) (
    input wire clk,
    input wire rst,
    input wire start,
    output reg busy,
    output reg done,
    // a word of the input's map: shifted in, then written
    input wire host_shift,
    input wire [31:0] host_part,
    input wire host_write,
    input wire [GB-1:0] host_bank,
    input wire [`SNNCC_MA-1:0] host_address,
    // four cycles later: the value of one group in one word of the results
    input wire [RA-1:0] result_word,
    input wire [GB-1:0] result_group,
    output wire [`SNNCC_VB-1:0] result,
    // words of the maps as they are written, for outputs that are levels
    output reg map_valid,
    output reg [GB-1:0] map_bank,
    output reg [`SNNCC_MA-1:0] map_address,
    output reg [WORD-1:0] map_data
);
    reg reset, go, shifts, writes;
    reg [31:0] part;
    reg [GB-1:0] bank;
    reg [`SNNCC_MA-1:0] address;
    reg [32*PARTS-1:0] word;
    always @(posedge clk) begin
        reset <= rst;
        go <= start;
        shifts <= host_shift;
        part <= host_part;
        writes <= host_write;
        bank <= host_bank;
        address <= host_address;
        if (shifts) word <= {part, word} >> 32;
    end

    wire core_busy, core_done;
    wire [G-1:0] write;
    wire [`SNNCC_BITS ? 18 : `SNNCC_MA-1:0] write_address;
    wire [WORD-1:0] write_data;
    wire valid;
    wire [31:0] position;
    wire [G*`SNNCC_VB-1:0] values;
    /* verilator lint_off PINCONNECTEMPTY */
    snncc_top core (
        .clk(clk), .rst(reset), .start(go), .busy(core_busy), .done(core_done), .cycle(),
        .host_write(writes), .host_bank(bank), .host_address(address), .host_data(word[WORD-1:0]),
        .map_write(write), .map_address(write_address), .map_data(write_data),
        .result_valid(valid), .result_address(position), .result_data(values));
    /* verilator lint_on PINCONNECTEMPTY */

    integer b;
    always @(posedge clk) begin
        busy <= core_busy;
        done <= core_done;
        map_valid <= |write;
        map_bank <= 0;
        for (b = 0; b < G; b = b + 1) if (write[b]) map_bank <= b;
        map_address <= write_address[`SNNCC_MA-1:0];
        map_data <= write_data;
    end

    snncc_results #(.G(G), .VB(`SNNCC_VB), .WORDS(`SNNCC_RESULT_WORDS)) kept (
        .clk(clk), .valid(valid), .address(position), .data(values),
        .word({{32 - RA{1'b0}}, result_word}), .group({{16 - GB{1'b0}}, result_group}), .value(result));
endmodule
`default_nettype wire
