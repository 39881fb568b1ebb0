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
    generate
        if (FILE != "") begin : filled
            initial $readmemh(FILE, words);
        end
    endgenerate
    always @(posedge clk) if (enable) q <= words[address];
endmodule
`default_nettype wire
