// From the words of a map to accesses: visits every word, takes its levels that are not zero one after the other
// (all at once with `own`), and goes through their taps. Then comes the access to the word's own potential.
`default_nettype none
module snncc_event_walk #(
    parameter P = 8,
    parameter LB = 9,
    parameter SPB = 1,
    parameter EB = 10,
    parameter VA = 8,
    parameter MA = 8,
    parameter IA = 8,
    parameter NA = 8,
    parameter RWA = 4,
    parameter CWIA = 4,
    parameter RVA = 4,
    parameter CWA = 4,
    parameter RCB = 2,
    parameter CCB = 2
) (
    input wire clk,
    input wire rst,
    input wire go,  // begin: the settings are stable until the end has left
    // settings
    input wire takes_levels,  // only levels that are not zero have taps
    input wire has_taps,
    input wire has_close,
    input wire from_input,
    input wire own,
    input wire [15:0] rows,
    input wire [15:0] columns,
    input wire [15:0] words,
    input wire [15:0] skip,
    input wire [RWA-1:0] first_row,
    input wire [CWIA-1:0] first_column,
    input wire [15:0] blocks,
    input wire [31:0] source,
    input wire [VA-1:0] potentials,
    input wire [NA-1:0] table_base,
    input wire [NA-1:0] step,
    input wire [VA-1:0] close,
    input wire [EB-1:0] gain,
    // maps
    output wire map_enable,
    output wire [MA-1:0] map_address,
    output wire [IA-1:0] input_address,
    input wire [P*SPB-1:0] map_q,
    input wire [P*LB-1:0] input_q,
    // accesses
    output reg tap,
    output reg first,  // the word's first tap
    output reg closes,
    output reg last,  // nothing follows in this pass
    output reg [VA-1:0] address,
    output reg [NA-1:0] number,
    output reg signed [EB-1:0] payload,
    output reg [P*SPB-1:0] spikes,
    output reg [15:0] index  // of the word
);
    localparam LP = $clog2(P);
    localparam IDLE = 2'd0, TAP = 2'd1, CLOSE = 2'd2, WAIT = 2'd3;
    localparam [1:0] GAP = 2'd3;  // cycles between the accesses of two events
    integer k;

    // --- A: the word's place; B: it is read; M: copied; C: its levels are compared with 0; D: they are taken ---

    reg a_valid, b_valid, m_valid, c_valid, d_valid;
    reg b_last, m_last, c_last, d_last;
    reg [15:0] y, x, g, count, b_g, m_g, c_g, d_g, b_count, m_count, c_count, d_count;
    reg [31:0] place;
    reg [RWA-1:0] row;
    reg [CWIA-1:0] column;
    wire g_end = g == words - 16'd1;
    wire x_end = x == columns - 16'd1;
    wire y_end = y == rows - 16'd1;
    wire d_done;
    wire move = !d_valid || d_done;

    assign map_enable = move;
    assign map_address = place[MA-1:0];
    assign input_address = place[IA-1:0];
    always @(posedge clk) begin
        if (rst) a_valid <= 1'b0;
        else if (go) a_valid <= 1'b1;
        else if (move && g_end && x_end && y_end) a_valid <= 1'b0;
        if (go) begin
            y <= 0;
            x <= 0;
            g <= 0;
            count <= 0;
            place <= source;
            row <= first_row;
            column <= first_column;
        end else if (move && a_valid) begin
            count <= count + 16'd1;
            place <= place + (g_end ? {16'd0, skip} + 32'd1 : 32'd1);
            g <= g_end ? 16'd0 : g + 16'd1;
            if (g_end) begin
                x <= x_end ? 16'd0 : x + 16'd1;
                column <= x_end ? first_column : column + 1'b1;
                if (x_end) begin
                    y <= y + 16'd1;
                    row <= row + 1'b1;
                end
            end
        end
    end

    localparam ROW_WINDOW = RVA + RCB + NA;
    localparam COLUMN_WINDOW = CWA + CCB + NA;
    wire [ROW_WINDOW-1:0] row_q;
    wire [COLUMN_WINDOW-1:0] column_q;
    snncc_rom #(.WIDTH(ROW_WINDOW), .DEPTH(1 << RWA), .ADDRESS(RWA), .FILE("row_windows.mem")) row_windows (
        .clk(clk), .enable(move), .address(row), .q(row_q));
    snncc_rom #(.WIDTH(COLUMN_WINDOW), .DEPTH(1 << CWIA), .ADDRESS(CWIA), .FILE("col_windows.mem")) col_windows (
        .clk(clk), .enable(move), .address(column), .q(column_q));

    reg [P*LB-1:0] m_input;
    reg [P*SPB-1:0] m_map;
    reg [ROW_WINDOW-1:0] m_row;
    reg [COLUMN_WINDOW-1:0] m_column;
    wire [P*LB-1:0] m_word;
    genvar i;
    generate
        for (i = 0; i < P; i = i + 1) begin : level
            wire signed [SPB-1:0] sent = m_map[i*SPB+:SPB];
            wire [LB-1:0] wide = SPB == 1 ? {{LB - 1{1'b0}}, sent} : {{LB - SPB{sent[SPB-1]}}, sent};
            assign m_word[i*LB+:LB] = from_input ? m_input[i*LB+:LB] : wide;
        end
    endgenerate

    reg [P*LB-1:0] c_word, d_word;
    reg [P*SPB-1:0] c_spikes, d_spikes;
    reg [P-1:0] c_some, d_pick, d_rest;
    reg [ROW_WINDOW-1:0] c_row;
    reg [COLUMN_WINDOW-1:0] c_column;
    always @(posedge clk) begin
        if (rst) begin
            b_valid <= 1'b0;
            m_valid <= 1'b0;
            c_valid <= 1'b0;
        end else if (move) begin
            b_valid <= a_valid;
            m_valid <= b_valid;
            c_valid <= m_valid;
        end
        if (move) begin
            b_last <= g_end && x_end && y_end;
            b_g <= g;
            b_count <= count;
            m_last <= b_last;
            m_g <= b_g;
            m_count <= b_count;
            m_map <= map_q;
            m_input <= input_q;
            m_row <= row_q;
            m_column <= column_q;
            c_last <= m_last;
            c_g <= m_g;
            c_count <= m_count;
            c_word <= m_word;
            c_spikes <= m_map;
            c_row <= m_row;
            c_column <= m_column;
            for (k = 0; k < P; k = k + 1) c_some[k] <= |m_word[k*LB+:LB];
        end
    end

    wire [RVA-1:0] c_row_first = c_row[RVA-1:0];
    wire [RCB-1:0] c_row_count = c_row[RVA+:RCB];
    wire [NA-1:0] c_row_border = c_row[RVA+RCB+:NA];
    wire [CWA-1:0] c_column_first = c_column[CWA-1:0];
    wire [CCB-1:0] c_column_count = c_column[CWA+:CCB];
    wire [NA-1:0] c_column_border = c_column[CWA+CCB+:NA];
    wire c_reaches = c_row_count != 0 && c_column_count != 0;
    wire c_event = has_taps && c_reaches && (!takes_levels || c_some != 0);

    reg [1:0] state;
    reg [1:0] gap;
    reg d_first;
    reg [RVA-1:0] row_first, row_at;
    reg [CWA-1:0] column_first, column_at;
    reg [RCB-1:0] rows_left, row_count;
    reg [CCB-1:0] columns_left, column_count;
    reg [15:0] block;
    reg [NA-1:0] block_number, d_border;
    wire block_end = block == blocks - 16'd1;
    wire column_end = columns_left == 1;
    wire row_end = rows_left == 1;
    wire event_end = block_end && column_end && row_end;
    wire gap_end = gap == 2'd1;
    assign d_done = state == IDLE || state == CLOSE || (state == WAIT && gap_end && d_rest == 0);

    always @(posedge clk) begin
        if (rst) d_valid <= 1'b0;
        else if (move) d_valid <= c_valid;
        if (move) begin
            d_last <= c_last;
            d_g <= c_g;
            d_count <= c_count;
            d_word <= c_word;
            d_spikes <= c_spikes;
            d_border <= c_row_border + c_column_border;
            d_pick <= own ? {P{1'b0}} : c_some & (~c_some + 1'b1);
            d_rest <= own ? {P{1'b0}} : c_some & (c_some - 1'b1);
            row_first <= c_row_first;
            column_first <= c_column_first;
            row_count <= c_row_count;
            column_count <= c_column_count;
            state <= c_event ? TAP : has_close ? CLOSE : IDLE;
        end else if (d_valid) begin
            case (state)
                TAP: if (event_end) state <= has_close ? CLOSE : WAIT;
                WAIT: if (gap_end) begin
                    state <= TAP;
                    d_pick <= d_rest & (~d_rest + 1'b1);
                    d_rest <= d_rest & (d_rest - 1'b1);
                end
                default: ;
            endcase
        end
    end

    always @(posedge clk) begin
        gap <= state == TAP ? GAP : gap - 2'd1;
        if (move) d_first <= 1'b1;
        else if (state == TAP) d_first <= 1'b0;
        if (move) begin
            row_at <= c_row_first;
            rows_left <= c_row_count;
        end else if (state == WAIT) begin
            row_at <= row_first;
            rows_left <= row_count;
        end else if (state == TAP && block_end && column_end) begin
            row_at <= row_at + 1'b1;
            rows_left <= rows_left - 1'b1;
        end
        if (move) begin
            column_at <= c_column_first;
            columns_left <= c_column_count;
        end else if (state == WAIT || (state == TAP && block_end && column_end)) begin
            column_at <= column_first;
            columns_left <= column_count;
        end else if (state == TAP && block_end) begin
            column_at <= column_at + 1'b1;
            columns_left <= columns_left - 1'b1;
        end
        if (move || (state == TAP && block_end)) begin
            block <= 16'd0;
            block_number <= 0;
        end else if (state == TAP) begin
            block <= block + 16'd1;
            block_number <= block_number + step;
        end
    end

    // --- accesses: 1 taps are read, 2 copied, 3 added up, 4 complete ---

    localparam ROW_TAP = VA + NA;
    wire [ROW_TAP-1:0] row_tap_q, column_tap_q;
    reg [ROW_TAP-1:0] row_tap, column_tap;
    snncc_rom #(.WIDTH(ROW_TAP), .DEPTH(1 << RVA), .ADDRESS(RVA), .FILE("row_taps.mem")) row_taps (
        .clk(clk), .enable(1'b1), .address(row_at), .q(row_tap_q));
    snncc_rom #(.WIDTH(ROW_TAP), .DEPTH(1 << CWA), .ADDRESS(CWA), .FILE("col_taps.mem")) col_taps (
        .clk(clk), .enable(1'b1), .address(column_at), .q(column_tap_q));

    reg [LB-1:0] picked;
    reg [LP-1:0] lane;
    always @* begin
        picked = 0;
        lane = 0;
        for (k = 0; k < P; k = k + 1) begin
            picked = picked | (d_word[k*LB+:LB] & {LB{d_pick[k]}});
            lane = lane | (d_pick[k] ? k[LP-1:0] : {LP{1'b0}});
        end
    end

    reg tap1, tap2, tap3, close1, close2, close3, last1, last2, last3, first1, first2, first3;
    reg [15:0] index1, index2, index3, word1, word2, inner1, inner2;
    reg [LP-1:0] lane1, lane2;
    reg signed [LB-1:0] level1;
    reg signed [EB-1:0] payload2, payload3;
    reg [NA-1:0] block1, block2, base3, number3;
    reg [VA-1:0] offset3, target3;
    reg [P*SPB-1:0] spikes1, spikes2, spikes3;
    wire [31:0] channel2 = {{16 - LP{1'b0}}, word2, lane2};
    wire [31:0] wide_word2 = {16'd0, word2};
    wire [31:0] wide_inner2 = {16'd0, inner2};
    wire [31:0] wide_index3 = {16'd0, index3};
    wire signed [EB-1:0] factor = gain;
    always @(posedge clk) begin
        tap1 <= d_valid && state == TAP && !rst;
        close1 <= d_valid && state == CLOSE && !rst;
        last1 <= d_valid && d_last && d_done && !rst;
        first1 <= d_first;
        index1 <= d_count;
        word1 <= d_g;
        inner1 <= own ? d_g : block;
        lane1 <= lane;
        level1 <= picked;
        block1 <= state == CLOSE ? d_border : block_number;
        spikes1 <= d_spikes;
        {tap2, close2, last2, first2} <= rst ? 4'd0 : {tap1, close1, last1, first1};
        {tap3, close3, last3, first3} <= rst ? 4'd0 : {tap2, close2, last2, first2};
        {tap, closes, last, first} <= rst ? 4'd0 : {tap3, close3, last3, first3};
        index2 <= index1;
        index3 <= index2;
        index <= index3;
        word2 <= word1;
        inner2 <= inner1;
        lane2 <= lane1;
        block2 <= block1;
        spikes2 <= spikes1;
        spikes3 <= spikes2;
        spikes <= spikes3;
        payload2 <= level1 * factor;
        payload3 <= payload2;
        payload <= payload3;
        row_tap <= row_tap_q;
        column_tap <= column_tap_q;
        offset3 <= row_tap[VA-1:0] + column_tap[VA-1:0];
        target3 <= potentials + wide_inner2[VA-1:0];
        number3 <= close2 ? block2 : row_tap[VA+:NA] + column_tap[VA+:NA] + block2;
        base3 <= table_base + (close2 || own ? wide_word2[NA-1:0] : channel2[NA-1:0]);
        address <= close3 ? close + wide_index3[VA-1:0] : offset3 + target3;
        number <= number3 + base3;
    end

`ifdef SNNCC_CHECK
    reg [VA-1:0] recent[1:3];
    reg [3:1] busy;
    always @(posedge clk) begin
        busy <= rst ? 3'd0 : {busy[2:1], tap && takes_levels};
        recent[1] <= address;
        recent[2] <= recent[1];
        recent[3] <= recent[2];
        if (!rst && tap && takes_levels)
            for (k = 1; k <= 3; k = k + 1)
                if (busy[k] && recent[k] == address) $fatal(1, "a potential is read before it is written");
        if (!rst && move && d_valid && !(d_done)) $fatal(1, "a word is left before its levels are taken");
    end
`endif
endmodule
`default_nettype wire
