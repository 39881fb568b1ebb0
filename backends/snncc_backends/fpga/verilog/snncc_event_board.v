// What a bitstream of a streaming network holds: the event core with registered pins. The host shifts a word of the
// inputs in, 32 bits at a time and the low ones first, and writes it; it reads the values of a readout after `done`.
`default_nettype none
`include "params.vh"
`include "board.vh"
module snncc_event_board #(
    parameter SPB = 1 + `SNNCC_SIGNED,
    parameter WORD = `SNNCC_P * `SNNCC_LB,
    parameter LANE = $clog2(`SNNCC_P),
    parameter RA = `SNNCC_RESULT_WORDS > 2 ? $clog2(`SNNCC_RESULT_WORDS) : 1
) (
    input wire clk,
    input wire rst,
    input wire start,
    output reg busy,
    output reg done,
    // a word of the inputs: shifted in, then written
    input wire host_shift,
    input wire [31:0] host_part,
    input wire host_write,
    input wire [`SNNCC_IA-1:0] host_address,
`ifdef SNNCC_SPIKE_PINS
    // words of spikes as they are written, for outputs that are populations
    output reg map_valid,
    output reg [`SNNCC_MA-1:0] map_address,
    output reg [`SNNCC_P*SPB-1:0] map_data,
`endif
    // four cycles later: the value of one lane in one word of the results
    input wire [RA-1:0] result_word,
    input wire [LANE-1:0] result_lane,
    output wire [`SNNCC_VB-1:0] result
);
    wire reset, writes;
    wire [WORD-1:0] word;
    /* verilator lint_off PINCONNECTEMPTY */
    snncc_pins #(.WORD(WORD)) pins (
        .clk(clk), .rst(rst), .host_shift(host_shift), .host_part(host_part), .host_write(host_write),
        .host_ready(), .reset(reset), .valid(writes), .ready(1'b1), .word(word));

    reg go;
    reg [`SNNCC_IA-1:0] early, address;
    always @(posedge clk) begin
        go <= start;
        early <= host_address;
        address <= early;
    end

    wire core_busy, core_done, valid, sends;
    wire [`SNNCC_MA-1:0] sent_address;
    wire [`SNNCC_P*SPB-1:0] sent;
    wire [31:0] position;
    wire [`SNNCC_P*`SNNCC_VB-1:0] values;
    snncc_event_top core (
        .clk(clk), .rst(reset), .start(go), .busy(core_busy), .done(core_done), .cycle(),
        .host_write(writes), .host_address(address), .host_data(word),
        .map_write(sends), .map_address(sent_address), .map_data(sent),
        .result_valid(valid), .result_address(position), .result_data(values));
    /* verilator lint_on PINCONNECTEMPTY */

    always @(posedge clk) begin
        busy <= core_busy;
        done <= core_done;
`ifdef SNNCC_SPIKE_PINS
        map_valid <= sends;
        map_address <= sent_address;
        map_data <= sent;
`endif
    end

    snncc_results #(.G(`SNNCC_P), .VB(`SNNCC_VB), .WORDS(`SNNCC_RESULT_WORDS)) kept (
        .clk(clk), .valid(valid), .address(position), .data(values),
        .word({{32 - RA{1'b0}}, result_word}), .group({{16 - LANE{1'b0}}, result_lane}), .value(result));
endmodule
`default_nettype wire
