// The values of the readouts of one core: each stays until the next image's replaces it. Read by word and group.
`default_nettype none
module snncc_results #(
    parameter G = 1,
    parameter VB = 20,
    parameter WORDS = 2
) (
    input wire clk,
    input wire valid,
    input wire [31:0] address,
    input wire [G*VB-1:0] data,
    input wire [31:0] word,
    input wire [15:0] group,
    output reg [VB-1:0] value
);
    localparam RA = WORDS > 2 ? $clog2(WORDS) : 1;
    localparam GB = G > 2 ? $clog2(G) : 1;
    reg arrives;
    reg [RA-1:0] place, wanted;
    reg [G*VB-1:0] arriving, found;
    reg [GB-1:0] first, chosen;
    (* no_rw_check *)
    reg [G*VB-1:0] results[0:WORDS-1];
    always @(posedge clk) begin
        arrives <= valid;
        place <= address[RA-1:0];
        arriving <= data;
        if (arrives) results[place] <= arriving;
        wanted <= word[RA-1:0];
        first <= group[GB-1:0];
        found <= results[wanted];
        chosen <= first;
        value <= found[chosen*VB+:VB];
    end
endmodule
`default_nettype wire
