// Eight lanes (a multiplier and an accumulator each) with the fire unit that turns their sums into levels, lane by lane.
`default_nettype none
module snncc_group #(
    parameter G = 1,
    parameter GB = 1,
    parameter WB = 8,  // a weight's slot
    parameter LB = 4,  // a level
    parameter SIGNED = 0,  // levels are two's complement
    parameter VB = 20,  // a sum or potential
    parameter TB = 14,  // a threshold
    parameter STEPS = 4,  // bits of the greatest level less the least one
    parameter MIXED = 0,  // passes have weights of different widths
    parameter TABLE_ROWS = 0,  // rows of breakpoints, 0: all thresholds are evenly spaced
    parameter TRA = 1,
    parameter BB = 1,  // a correction of a threshold
    parameter NUMBER = 0,  // of this group
    parameter BITS = 0,  // there are binary lanes
    parameter MUL = 1,  // there are lanes for weights of any width
    parameter SHIFTS = 0,  // these lanes add shifted weights instead of multiplying
    parameter FOLDER = "."
) (
    input wire clk,
    // a step: the levels of all banks, and the bank that this group reads
    input wire [G*LB-1:0] levels,
    input wire [G*8*LB-1:0] words,
    input wire [GB-1:0] source,
    input wire own,  // a cycle after the step
    // a copy of the weights, two cycles after the step
    input wire [8*WB-1:0] slots,
    input wire [7:0] weight_bits,
    input wire [3:0] offset,
    // to the binary lanes, two cycles after the step; what the whole word adds is there with their counts
    input wire binary,
    input wire planes,
    input wire [8*LB-1:0] word_bits,
    input wire [8*64-1:0] bit_weights,
    input wire [LB+3:0] whole,
    // with the products
    input wire add,
    input wire first,
    input wire shift,
    // a cycle after the last sum
    input wire take,
    // with the lane's potential
    input wire [TB-1:0] theta,
    input wire [VB-1:0] bias,
    input wire [TRA-1:0] row,
    output wire [VB-1:0] potential,
    input wire [7:0] top,
    // with the lane's level
    input wire keep,
    input wire window_first,
    output wire [8*STEPS-1:0] pooled
);
    localparam WD = WB == 1 ? 2 : WB;
    localparam PB = WD + LB + 1;
    localparam AB = BITS && PB < LB + 5 ? LB + 5 : PB;  // bits of what a step adds: eight levels either way

    function [7:0] TENS(input integer n);
        TENS = 8'd48 + n / 10;
    endfunction
    function [7:0] ONES(input integer n);
        ONES = 8'd48 + n % 10;
    endfunction

    reg [LB-1:0] level2;
    reg [8*LB-1:0] word2;
    reg [8*LB-1:0] level3;
    // by halves: an index times a width that is no power of two would take a multiplier
    reg [G*LB-1:0] nearest;
    reg [G*8*LB-1:0] nearest_word;
    integer k;
    always @* begin
        nearest = levels;
        nearest_word = words;
        for (k = GB - 1; k >= 0; k = k - 1)
            if (source[k]) begin
                nearest = nearest >> (LB << k);
                nearest_word = nearest_word >> (8 * LB << k);
            end
    end
    always @(posedge clk) begin
        level2 <= nearest[LB-1:0];
        word2 <= nearest_word[8*LB-1:0];
        level3 <= own ? word2 : {8{level2}};
    end

    // --- weights ---

    wire [8*WD-1:0] weights;
    wire [8*LB-1:0] lane_levels;
    genvar i;
    generate
        if (MIXED) begin : unpacked
            reg [8*WD-1:0] weights4;
            reg [8*LB-1:0] level4;
            wire [8*WD-1:0] decoded;
            for (i = 0; i < 8; i = i + 1) begin : lane
                snncc_unpack #(.WB(WB)) unpack (
                    .slot(slots[i*WB+:WB]), .bits(weight_bits), .offset(offset), .weight(decoded[i*WD+:WD]));
            end
            always @(posedge clk) begin
                weights4 <= decoded;
                level4 <= level3;
            end
            assign weights = weights4;
            assign lane_levels = level4;
        end else begin : direct
            for (i = 0; i < 8; i = i + 1) begin : lane
                if (WB == 1) assign weights[i*WD+:WD] = {~slots[i], 1'b1};
                else assign weights[i*WD+:WD] = slots[i*WB+:WB];
            end
            assign lane_levels = level3;
        end
    endgenerate

    // --- sums ---

    wire [8*VB-1:0] sums;
    generate
        for (i = 0; i < 8; i = i + 1) begin : lane
            wire signed [WD-1:0] w = weights[i*WD+:WD];
            wire [LB-1:0] n = lane_levels[i*LB+:LB];
            wire signed [LB:0] level = {SIGNED ? n[LB-1] : 1'b0, n};
            reg signed [AB-1:0] product;
            reg signed [VB-1:0] sum;
            wire signed [AB-1:0] addend;
            wire signed [PB-1:0] times;
            if (SHIFTS) begin : shifted
                // one addend per bit of the level; its highest counts negative where levels are signed
                reg signed [PB-1:0] total;
                wire signed [PB-1:0] wide = w;
                integer b;
                always @* begin
                    total = 0;
                    for (b = 0; b < LB; b = b + 1)
                        if (n[b]) total = SIGNED && b == LB - 1 ? total - (wide <<< b) : total + (wide <<< b);
                end
                assign times = total;
            end else assign times = w * level;
            if (!BITS) assign addend = times;
            else begin : counted
                // a ninth plane has the weights of the first
                wire [127:0] taken = {2{bit_weights[i*64+:64]}};
                wire signed [LB+3:0] count;
                snncc_count #(.LB(LB), .SIGNED(SIGNED)) lane (
                    .clk(clk), .planes(planes), .bits(word_bits & taken[8*LB-1:0]), .count(count));
                wire signed [AB-1:0] difference = (count <<< 1) - $signed(whole);
                if (!MUL) assign addend = difference;
                else assign addend = binary ? difference : times;
            end
            wire signed [VB-1:0] start = first ? {VB{1'b0}} : shift ? sum <<< (WB - 1) : sum;
            always @(posedge clk) begin
                product <= addend;
                if (add) sum <= start + product;
            end
            assign sums[i*VB+:VB] = sum;
        end
    endgenerate

    // --- potentials: lane 0 first ---

    reg [8*VB-1:0] shadow;
    reg [VB-1:0] sum1, sum2;
    reg signed [VB-1:0] v;
    reg [TB-1:0] threshold;
    always @(posedge clk) begin
        shadow <= take ? sums : {{VB{1'b0}}, shadow[8*VB-1:VB]};
        sum1 <= shadow[VB-1:0];
        sum2 <= sum1;
        v <= sum2 + bias;
        threshold <= theta;
    end
    assign potential = v;

    // --- levels: one bit of v div theta per stage, the highest first ---

    wire [STEPS-1:0] reached_bits;
    generate
        if (TABLE_ROWS == 0) begin : even
            wire [VB-1:0] rest[0:STEPS];
            wire [TB-1:0] limit[0:STEPS];
            wire [STEPS-1:0] bits[0:STEPS];
            wire negative[0:STEPS];
            assign rest[0] = v;
            assign limit[0] = threshold;
            assign bits[0] = 0;
            assign negative[0] = v[VB-1];
                for (i = 0; i < STEPS; i = i + 1) begin : fire
                    wire [VB-1:0] step = {{VB{1'b0}}, limit[i]} << (STEPS - 1 - i);
                    wire [VB-1:0] less = rest[i] - step;
                    wire reached = !negative[i] && !less[VB-1];
                    reg [VB-1:0] rest_q;
                    reg [TB-1:0] limit_q;
                    reg [STEPS-1:0] bits_q;
                    reg negative_q;
                    always @(posedge clk) begin
                        rest_q <= reached ? less : rest[i];
                        limit_q <= limit[i];
                        bits_q <= {bits[i], reached};
                        negative_q <= negative[i];
                    end
                    assign rest[i+1] = rest_q;
                    assign limit[i+1] = limit_q;
                    assign bits[i+1] = bits_q;
                    assign negative[i+1] = negative_q;
                end
            assign reached_bits = bits[STEPS];
        end else begin : tabled
            // a threshold is q theta + a correction, looked up by the bits found so far: read, copy, compare
            localparam XB = (VB > BB ? VB : BB) + 3;
            wire signed [XB-1:0] rest[0:STEPS];
            wire [TB-1:0] limit[0:STEPS];
            wire [STEPS-1:0] bits[0:STEPS];
            wire [TRA-1:0] at[0:STEPS];
            reg [TRA-1:0] row0;
            always @(posedge clk) row0 <= row;
            assign rest[0] = {{XB - VB{v[VB-1]}}, v};
            assign limit[0] = threshold;
            assign bits[0] = 0;
            assign at[0] = row0;
            for (i = 0; i < STEPS; i = i + 1) begin : fire
                wire [BB-1:0] found;
                wire [TRA+i-1:0] place = (at[i] << i) | bits[i];
                snncc_rom #(
                    .WIDTH(BB), .DEPTH(TABLE_ROWS << i), .ADDRESS(TRA + i),
                    .FILE({FOLDER, "/breaks_", TENS(i), ONES(i), "_", TENS(NUMBER), ONES(NUMBER), ".mem"})
                ) breaks (.clk(clk), .enable(1'b1), .address(place), .q(found));
                reg signed [XB-1:0] rest1, rest2, rest3;
                reg [TB-1:0] limit1, limit2, limit3;
                reg [STEPS-1:0] bits1, bits2, bits3;
                reg [TRA-1:0] at1, at2, at3;
                reg signed [BB-1:0] correction;
                wire signed [XB-1:0] step = {{XB - TB{1'b0}}, limit2} << (STEPS - 1 - i);
                wire signed [XB-1:0] less = rest2 - step;
                wire signed [XB-1:0] beyond = less - correction;
                always @(posedge clk) begin
                    rest1 <= rest[i];
                    limit1 <= limit[i];
                    bits1 <= bits[i];
                    at1 <= at[i];
                    correction <= found;
                    rest2 <= rest1;
                    limit2 <= limit1;
                    bits2 <= bits1;
                    at2 <= at1;
                    rest3 <= beyond[XB-1] ? rest2 : less;
                    limit3 <= limit2;
                    bits3 <= {bits2, !beyond[XB-1]};
                    at3 <= at2;
                end
                assign rest[i+1] = rest3;
                assign limit[i+1] = limit3;
                assign bits[i+1] = bits3;
                assign at[i+1] = at3;
            end
            assign reached_bits = bits[STEPS];
        end
    endgenerate
    reg [STEPS-1:0] level;
    always @(posedge clk) level <= reached_bits > top ? top : reached_bits;

    // --- the greatest level of the window so far, lane 0 first ---

    reg [8*STEPS-1:0] greatest;
    wire [STEPS-1:0] oldest = greatest[STEPS-1:0];
    wire [STEPS-1:0] after = window_first || level > oldest ? level : oldest;
    always @(posedge clk) if (keep) greatest <= {after, greatest[8*STEPS-1:STEPS]};
    assign pooled = greatest;
endmodule
`default_nettype wire
