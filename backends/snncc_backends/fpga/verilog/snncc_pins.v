// Pins through which a host sends words: parts of 32 bits are shifted in, then the whole word is written.
`default_nettype none
module snncc_pins #(
    parameter WORD = 32,
    parameter PARTS = (WORD + 31) / 32
) (
    input wire clk,
    input wire rst,
    input wire host_shift,
    input wire [31:0] host_part,
    input wire host_write,
    output reg host_ready,  // what was written last has been taken, and the next word may be
    output reg reset,
    output reg valid,
    input wire ready,
    output wire [WORD-1:0] word
);
    reg shifts, writes;
    reg [31:0] part;
    reg [32*PARTS-1:0] whole;
    assign word = whole[WORD-1:0];
    always @(posedge clk) begin
        reset <= rst;
        shifts <= host_shift;
        part <= host_part;
        writes <= host_write;
        if (shifts) whole <= {part, whole} >> 32;
        valid <= (writes || (valid && !ready)) && !reset;
        host_ready <= ready && !valid && !writes;
    end
endmodule
`default_nettype wire
