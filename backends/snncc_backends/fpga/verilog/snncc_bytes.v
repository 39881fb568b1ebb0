// One bank of the map memory whose words are written byte by byte: a write port and a registered read port. A word is
// never read in the cycle in which it is written, so the memory needs no bypass.
`default_nettype none
module snncc_bytes #(
    parameter DEPTH = 2,
    parameter ADDRESS = 1
) (
    input wire clk,
    input wire [7:0] write,
    input wire [ADDRESS-1:0] write_address,
    input wire [63:0] write_data,
    input wire enable,
    input wire [ADDRESS-1:0] read_address,
    output reg [63:0] q
);
    (* no_rw_check *)
    reg [63:0] words[0:DEPTH-1];
    integer k;
    always @(posedge clk) begin
        for (k = 0; k < 8; k = k + 1) if (write[k]) words[write_address][8*k+:8] <= write_data[8*k+:8];
        if (enable) q <= words[read_address];
    end
endmodule
`default_nettype wire
