// A table with one registered read port.
`default_nettype none
module snncc_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS = 1,
    parameter FILE = ""
) (
    input wire clk,
    input wire enable,
    input wire [ADDRESS-1:0] address,
    output reg [WIDTH-1:0] q
);
    reg [WIDTH-1:0] words[0:DEPTH-1];
    initial $readmemh(FILE, words);
    always @(posedge clk) if (enable) q <= words[address];
endmodule
`default_nettype wire
