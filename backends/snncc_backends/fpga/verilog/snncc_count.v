// Counts the bits of a word, three cycles later: one by one, or with `planes` byte b of it times 2^b.
`default_nettype none
module snncc_count (
    input wire clk,
    input wire planes,
    input wire [63:0] bits,
    output reg [10:0] count
);
    // bits of a byte: by pairs, whose two weights a LUT takes with their levels
    function [3:0] ones(input [7:0] b);
        reg [1:0] p0, p1, p2, p3;
        reg [2:0] q0, q1;
        begin
            p0 = {b[0] & b[1], b[0] ^ b[1]};
            p1 = {b[2] & b[3], b[2] ^ b[3]};
            p2 = {b[4] & b[5], b[4] ^ b[5]};
            p3 = {b[6] & b[7], b[6] ^ b[7]};
            q0 = {p0[1] & p1[1], p0[1] ^ p1[1] ^ (p0[0] & p1[0]), p0[0] ^ p1[0]};
            q1 = {p2[1] & p3[1], p2[1] ^ p3[1] ^ (p2[0] & p3[0]), p2[0] ^ p3[0]};
            ones = {1'b0, q0} + {1'b0, q1};
        end
    endfunction

    reg [3:0] byte_of[0:7];
    reg [6:0] low, high;  // of four bytes
    integer k;
    // the second of a pair counts double with planes, and so do pairs and fours in their turn
    function [4:0] pair(input [3:0] a, input [3:0] b, input double);
        pair = {1'b0, a} + (double ? {b, 1'b0} : {1'b0, b});
    endfunction
    function [6:0] four(input [4:0] a, input [4:0] b, input quadruple);
        four = {2'b0, a} + (quadruple ? {b, 2'b0} : {2'b0, b});
    endfunction
    always @(posedge clk) begin
        for (k = 0; k < 8; k = k + 1) byte_of[k] <= ones(bits[8*k+:8]);
        low <= four(pair(byte_of[0], byte_of[1], planes), pair(byte_of[2], byte_of[3], planes), planes);
        high <= four(pair(byte_of[4], byte_of[5], planes), pair(byte_of[6], byte_of[7], planes), planes);
        count <= {4'b0, low} + (planes ? {high, 4'b0} : {4'b0, high});
    end
endmodule
`default_nettype wire
