// One bank of the map memory: a write port and a registered read port. A word is never read in the cycle
// in which it is written, so the memory needs no bypass.
`default_nettype none
module snncc_bank #(
    parameter WIDTH = 32,
    parameter DEPTH = 2,
    parameter ADDRESS = 1
) (
    input wire clk,
    input wire write,
    input wire [ADDRESS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,
    input wire enable,
    input wire [ADDRESS-1:0] read_address,
    output reg [WIDTH-1:0] q
);
    (* no_rw_check *)
    reg [WIDTH-1:0] words[0:DEPTH-1];
    always @(posedge clk) begin
        if (write) words[write_address] <= write_data;
        if (enable) q <= words[read_address];
    end
endmodule
`default_nettype wire
