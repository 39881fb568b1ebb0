// Takes one word after the other and gives one step per level that is not zero in some row, lowest first; a word of
// zeros, and one whose levels each belong to their own lane, is one step. Ends of tiles are LEAST cycles apart or more.
`default_nettype none
module snncc_scan #(
    parameter G = 1,
    parameter GB = 1,
    parameter LB = 4,
    parameter WA = 8,
    parameter NEA = 8,
    parameter LEAST = 8,
    parameter HB = 4
) (
    input wire clk,
    input wire rst,
    input wire fresh,  // a pass begins
    // words
    input wire in_valid,
    output wire in_enable,
    input wire [G*8*LB-1:0] in_data,
    input wire [7:0] in_joint,
    input wire [7:0] in_mask,
    input wire [GB-1:0] in_bank,
    input wire [G-1:0] in_banks,
    input wire [WA-1:0] in_weight,
    input wire [NEA-1:0] in_neuron,
    input wire in_own,
    input wire in_shift,
    input wire in_first,
    input wire in_last,
    input wire [2:0] in_marks,  // pass last, window last, window first
    // steps
    output reg valid,
    output reg [G*LB-1:0] levels,  // of the step's lane in every bank, 0 where a bank takes no part
    output reg [G*8*LB-1:0] words,
    output reg [7:0] taken,  // which bytes of a word binary lanes take
    output reg [GB-1:0] bank,
    output reg [WA-1:0] weight,
    output reg [NEA-1:0] neuron,
    output reg own,
    output reg shift,
    output reg first,
    output reg last,
    output reg [2:0] marks
);
    reg busy;
    reg [G*8*LB-1:0] s_data;
    reg [7:0] s_mask, s_taken;
    reg [2:0] s_lane;
    reg s_single, s_own, s_shift, s_first, s_last;
    reg [GB-1:0] s_bank;
    reg [G-1:0] s_banks;
    reg [WA-1:0] s_weight;
    reg [NEA-1:0] s_neuron;
    reg [2:0] s_marks;
    reg [HB-1:0] hold;
    reg waits;  // hold is not 0
    reg idle;  // no step of this pass has been given yet

    function [2:0] lowest(input [7:0] mask);
        casez (mask)
            8'b???????1: lowest = 3'd0;
            8'b??????10: lowest = 3'd1;
            8'b?????100: lowest = 3'd2;
            8'b????1000: lowest = 3'd3;
            8'b???10000: lowest = 3'd4;
            8'b??100000: lowest = 3'd5;
            8'b?1000000: lowest = 3'd6;
            8'b10000000: lowest = 3'd7;
            default: lowest = 3'd0;
        endcase
    endfunction

    wire ends = s_last && s_single;
    wire gives = busy && !(ends && waits);
    wire loads = !busy || (gives && s_single);
    assign in_enable = loads;
    wire [7:0] rest = s_mask & (s_mask - 8'd1);
    wire [7:0] joint = in_own ? 8'd0 : in_joint;
    wire [7:0] next = loads ? joint : rest;

    always @(posedge clk) begin
        if (rst) busy <= 1'b0;
        else if (loads) busy <= in_valid;
        if (loads || gives) begin
            s_mask <= next;
            s_lane <= lowest(next);
            s_single <= (next & (next - 8'd1)) == 8'd0;
        end
        if (loads) begin
            s_data <= in_data;
            s_taken <= in_mask;
            s_bank <= in_bank;
            s_banks <= in_banks;
            s_weight <= in_weight;
            s_neuron <= in_neuron;
            s_own <= in_own;
            s_last <= in_last;
            s_marks <= in_marks;
        end
        if (loads || gives) begin
            s_shift <= loads && in_shift;
            s_first <= loads && in_first;
        end
    end

    // the first tile of a pass is counted from its own first step
    always @(posedge clk) begin
        if (rst || fresh) begin
            hold <= LEAST - 1;
            waits <= 1'b1;
            idle <= 1'b1;
        end else if (gives && ends) begin
            hold <= LEAST - 1;
            waits <= 1'b1;
            idle <= 1'b0;
        end else if (waits && (busy || !idle)) begin
            hold <= hold - 1'b1;
            waits <= hold != 1;
        end
    end

    // the step's lane comes down by halves
    reg [G*8*LB-1:0] nearest;
    integer b, k;
    always @* begin
        nearest = s_data;
        for (k = 2; k >= 0; k = k - 1) if (s_lane[k]) nearest = nearest >> (LB << k);
    end
    always @(posedge clk) begin
        valid <= gives && !rst;
        if (gives) begin
            for (b = 0; b < G; b = b + 1) begin
                levels[b*LB+:LB] <= s_banks[b] && s_mask != 0 ? nearest[b*8*LB+:LB] : {LB{1'b0}};
                words[b*8*LB+:8*LB] <= s_banks[b] ? s_data[b*8*LB+:8*LB] : {8*LB{1'b0}};
            end
            taken <= s_taken;
            bank <= s_bank;
            weight <= s_own ? s_weight : s_weight + s_lane;
            neuron <= s_neuron;
            own <= s_own;
            shift <= s_shift;
            first <= s_first;
            marks <= s_marks;
        end
        last <= gives && ends && !rst;
    end
endmodule
`default_nettype wire
