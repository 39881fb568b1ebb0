// The level core with the parameters of one network.
`default_nettype none
`include "params.vh"
module snncc_top #(
    parameter G = `SNNCC_P / 8,
    parameter GB = G > 2 ? $clog2(G) : 1,
    parameter AB = `SNNCC_BITS ? 19 : `SNNCC_MA  // a packed map's byte stands above 16 bits of address
) (
    input wire clk,
    input wire rst,
    input wire start,
    output wire busy,
    output wire done,
    output wire [31:0] cycle,
    input wire host_write,
    input wire [GB-1:0] host_bank,
    input wire [`SNNCC_MA-1:0] host_address,
    input wire [8*`SNNCC_LB-1:0] host_data,
    output wire [G-1:0] map_write,
    output wire [AB-1:0] map_address,
    output wire [8*`SNNCC_LB-1:0] map_data,
    output wire result_valid,
    output wire [31:0] result_address,
    output wire [G*`SNNCC_VB-1:0] result_data
);
    wire [`SNNCC_MA-1:0] address;
    wire [2:0] part;
    generate
        if (`SNNCC_BITS) assign map_address = {part, {16 - `SNNCC_MA{1'b0}}, address};
        else assign map_address = address;
    endgenerate
    snncc_core #(
        .P(`SNNCC_P), .WB(`SNNCC_WB), .LB(`SNNCC_LB), .SIGNED(`SNNCC_SIGNED), .VB(`SNNCC_VB), .TB(`SNNCC_TB),
        .STEPS(`SNNCC_STEPS), .MIXED(`SNNCC_MIXED), .MA(`SNNCC_MA), .WA(`SNNCC_WA), .NEA(`SNNCC_NEA),
        .RVA(`SNNCC_RVA), .RCB(`SNNCC_RCB), .CWA(`SNNCC_CWA), .CCB(`SNNCC_CCB), .RWA(`SNNCC_RWA),
        .CWIA(`SNNCC_CWIA), .ORA(`SNNCC_ORA), .PA(`SNNCC_PA), .MAP_WORDS(`SNNCC_MAP_WORDS),
        .WEIGHT_WORDS(`SNNCC_WEIGHT_WORDS), .NEURON_WORDS(`SNNCC_NEURON_WORDS),
        .TABLE_ROWS(`SNNCC_TABLE_ROWS), .TRA(`SNNCC_TRA), .BB(`SNNCC_BB),
        .BITS(`SNNCC_BITS), .MUL(`SNNCC_MUL), .SHIFTS(`SNNCC_SHIFTS), .BIT_WORDS(`SNNCC_BIT_WORDS)
    ) core (
        .clk(clk), .rst(rst), .start(start), .busy(busy), .done(done), .cycle(cycle),
        .host_write(host_write), .host_bank(host_bank), .host_address(host_address), .host_data(host_data),
        .map_write(map_write), .map_address(address), .map_data(map_data), .map_part(part),
        .result_valid(result_valid), .result_address(result_address), .result_data(result_data));
endmodule
`default_nettype wire
