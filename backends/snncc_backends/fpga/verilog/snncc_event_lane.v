// One lane of the event core: adds products to a potential, fires it, and finds the greatest of several sums.
// Stages are numbered as in snncc_event_core.v: a potential arrives in stage 8, is stored in 9 by ADD and in 11 else,
// or in 13 after it has decayed: then a tap's word comes just before the potential that it is added to, with the bias.
`default_nettype none
module snncc_event_lane #(
    parameter WB = 8,
    parameter EB = 10,
    parameter SPB = 1,
    parameter VB = 20,
    parameter TB = 14,
    parameter SB = 4,
    parameter NB = 4,
    parameter STBIF = 0,
    parameter MIXED = 0,
    parameter LEAKY = 0
) (
    input wire clk,
    // settings
    input wire adds,
    input wire loads,
    input wire fires,
    input wire pools,
    input wire own,
    input wire current,
    input wire half,
    input wire uses_bias,
    input wire to_zero,
    input wire is_signed,
    input wire [7:0] weight_bits,
    input wire [EB-1:0] gain,
    input wire signed [SB-1:0] lo,
    input wire signed [SB-1:0] hi,
    // stage 6
    input wire [WB-1:0] slot,
    input wire [3:0] offset,
    // stage 7
    input wire signed [EB-1:0] payload,
    input wire signed [SPB-1:0] spike,
    // stage 8
    input wire signed [VB-1:0] potential,
    input wire [TB-1:0] theta,
    input wire signed [VB-1:0] bias,
    input wire tap,
    input wire first,
    // stage 9
    input wire signed [SB-1:0] sent,
    output wire overflow,
    // stage 11
    input wire [12:0] keep,  // 4096ths
    // what is stored: of ADD in stage 9, of all others in stage 11, `decayed` in 13
    output reg signed [VB-1:0] sum,
    output reg signed [VB-1:0] result,
    output wire signed [VB-1:0] decayed,
    output reg signed [SB-1:0] sends,
    output reg up,
    output reg down
);
    wire [WB-1:0] unpacked;
    generate
        if (MIXED) begin : mixed
            snncc_unpack #(.WB(WB)) unpack (.slot(slot), .bits(weight_bits), .offset(offset), .weight(unpacked));
        end else if (WB == 1) begin : binary
            assign unpacked = slot;
        end else begin : plain
            assign unpacked = slot;
        end
    endgenerate

    // one bit stands for -1 and +1
    reg signed [WB:0] weight7;
    always @(posedge clk) begin
        if (WB == 1) weight7 <= slot[0] ? 1 : -1;
        else weight7 <= {unpacked[WB-1], unpacked};
    end

    // the payload of a spike of the lane's own
    wire signed [EB-1:0] each = spike == 0 ? {EB{1'b0}} : SPB > 1 && spike[SPB-1] ? -gain : gain;
    wire signed [EB-1:0] factor = own ? each : payload;
    reg signed [VB-1:0] product8;
    always @(posedge clk) product8 <= weight7 * factor;

    reg signed [VB-1:0] best;
    wire signed [NB-1:0] sum8 = potential[NB-1:0];  // of a pool; a current comes alone
    wire signed [NB-1:0] best8 = best[NB-1:0];
    wire more = sum8 > best8;
    always @(posedge clk) if (tap && (first || more)) best <= potential;

    wire signed [VB-1:0] threshold = {{VB - TB{1'b0}}, theta};
    wire signed [VB-1:0] start = loads ? (half ? threshold >>> 1 : {VB{1'b0}}) : potential;
    wire signed [VB-1:0] brought = LEAKY ? sum : best;
    wire brings = current && !(LEAKY && tap);
    wire signed [VB-1:0] addend = adds ? product8 : brings ? brought : uses_bias ? bias : {VB{1'b0}};
    wire signed [VB:0] exact = {start[VB-1], start} + {addend[VB-1], addend};
    assign overflow = exact[VB] != exact[VB-1];

    reg signed [VB-1:0] threshold9, threshold10, value10;
    reg more9, less9, tap9, up10, down10;
    reg signed [SB-1:0] sent10;
    wire may_rise = !STBIF || sent < hi;
    wire may_fall = STBIF ? sent > lo : is_signed;
    wire only_decays = LEAKY && tap9;
    wire fires9 = fires && !only_decays;
    always @(posedge clk) begin
        tap9 <= tap;
        sum <= pools ? best : exact[VB-1:0];
        more9 <= best8 > sum8;
        less9 <= more;
        threshold9 <= threshold;

        value10 <= only_decays ? best : sum;
        threshold10 <= threshold9;
        up10 <= pools ? more9 : fires9 && sum >= threshold9 && may_rise;
        down10 <= pools ? less9 : fires9 && sum[VB-1] && may_fall;
        sent10 <= loads ? {SB{1'b0}} : sent;

        up <= up10;
        down <= down10;
        if (pools) result <= value10;
        else if (up10) result <= to_zero ? {VB{1'b0}} : value10 - threshold10;
        else result <= down10 ? value10 + threshold10 : value10;
        sends <= up10 ? sent10 + 1'b1 : down10 ? sent10 - 1'b1 : sent10;
    end

    generate
        if (LEAKY) begin : leaking
            wire signed [13:0] share = {1'b0, keep};
            reg signed [VB+13:0] product12;
            reg signed [VB-1:0] decayed13;
            // toward zero: the shift rounds what is negative down
            wire inexact = product12[VB+13] && |product12[11:0];
            always @(posedge clk) begin
                product12 <= result * share;
                decayed13 <= $signed(product12[12+:VB]) + $signed({1'b0, inexact});
            end
            assign decayed = decayed13;
        end else begin : lasting
            assign decayed = result;
        end
    endgenerate
endmodule
`default_nettype wire
