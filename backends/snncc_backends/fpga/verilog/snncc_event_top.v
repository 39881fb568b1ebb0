// The event core with the parameters of one network.
`default_nettype none
`include "params.vh"
module snncc_event_top #(
    parameter SPB = 1 + `SNNCC_SIGNED
) (
    input wire clk,
    input wire rst,
    input wire start,
    output wire busy,
    output wire done,
    output wire [31:0] cycle,
    input wire host_write,
    input wire [`SNNCC_IA-1:0] host_address,
    input wire [`SNNCC_P*`SNNCC_LB-1:0] host_data,
    output wire map_write,
    output wire [`SNNCC_MA-1:0] map_address,
    output wire [`SNNCC_P*SPB-1:0] map_data,
    output wire result_valid,
    output wire [31:0] result_address,
    output wire [`SNNCC_P*`SNNCC_VB-1:0] result_data
);
    snncc_event_core #(
        .P(`SNNCC_P), .WB(`SNNCC_WB), .LB(`SNNCC_LB), .SIGNED(`SNNCC_SIGNED), .EB(`SNNCC_EB), .VB(`SNNCC_VB),
        .TB(`SNNCC_TB), .SB(`SNNCC_SB), .NB(`SNNCC_NB), .STBIF(`SNNCC_STBIF), .MIXED(`SNNCC_MIXED),
        .LEAKY(`SNNCC_LEAKY), .VA(`SNNCC_VA), .MA(`SNNCC_MA), .IA(`SNNCC_IA), .NA(`SNNCC_NA), .RWA(`SNNCC_RWA), .CWIA(`SNNCC_CWIA),
        .RVA(`SNNCC_RVA), .CWA(`SNNCC_CWA), .RCB(`SNNCC_RCB), .CCB(`SNNCC_CCB), .PA(`SNNCC_PA),
        .POTENTIAL_WORDS(`SNNCC_POTENTIAL_WORDS), .SENT_WORDS(`SNNCC_SENT_WORDS),
        .MAP_WORDS(`SNNCC_MAP_WORDS), .INPUT_WORDS(`SNNCC_INPUT_WORDS), .WEIGHT_WORDS(`SNNCC_WEIGHT_WORDS),
        .NEURON_WORDS(`SNNCC_NEURON_WORDS)
    ) core (
        .clk(clk), .rst(rst), .start(start), .busy(busy), .done(done), .cycle(cycle),
        .host_write(host_write), .host_address(host_address), .host_data(host_data),
        .map_write(map_write), .map_address(map_address), .map_data(map_data),
        .result_valid(result_valid), .result_address(result_address), .result_data(result_data));
endmodule
`default_nettype wire
