// Writes the words of all groups one after the other, and knows where the results of a pass lie: the rows of a tile
// from a table, columns and blocks by counting.
`default_nettype none
module snncc_write #(
    parameter G = 1,
    parameter GB = 1,
    parameter LB = 4,
    parameter STEPS = 4,
    parameter MA = 8,
    parameter ORA = 8,
    parameter BITS = 0,
    parameter FOLDER = "."
) (
    input wire clk,
    input wire rst,
    input wire go,
    // settings
    input wire [3:0] group_log,  // log2 of the channel words of a block
    input wire merge,  // two neighbouring row slots hold rows of one pooling window
    input wire [15:0] tiles,
    input wire [15:0] columns,
    input wire [15:0] pixel_words,
    input wire [MA-1:0] column_step,
    input wire [ORA-1:0] first_row,
    input wire [LB-1:0] lo,
    input wire packs,  // the map is packed: a word holds eight of ours, of one bit a level
    // a window is complete
    input wire complete,
    input wire pass_last,
    input wire [G*8*STEPS-1:0] pooled,
    // to the banks
    output reg [G-1:0] write,
    output reg [MA-1:0] address,
    output reg [8*LB-1:0] data,
    output reg [2:0] part,  // the byte of a packed word
    output reg done
);
    localparam CB = GB + 1;
    wire [CB-1:0] group_words = {{CB - 1{1'b0}}, 1'b1} << group_log;

    // where the next complete window belongs
    reg [15:0] tile, column;
    reg [ORA-1:0] row_base;
    reg [MA-1:0] place;
    reg [15:0] channel;
    reg [15:0] column_end, tile_end;
    always @(posedge clk) begin
        column_end <= columns - 16'd1;
        tile_end <= tiles - 16'd1;
    end
    wire column_last = column == column_end;
    wire tile_last = tile == tile_end;

    // the window that is written: groups still to go, row slot and channel word of the next
    reg complete1, last1, busy, last;
    reg [CB-1:0] left, word;
    reg second;  // the second slot of a pair: it has been taken with the first
    reg [ORA-1:0] row;
    reg [MA-1:0] start;
    reg [15:0] first_channel;
    reg [G*8*STEPS-1:0] words;

    wire [CB-1:0] next_word = word + 1'b1;
    always @(posedge clk) begin
        complete1 <= complete && !rst;
        last1 <= pass_last;
        if (rst) busy <= 1'b0;
        else if (complete1) busy <= 1'b1;
        else if (left == 1) busy <= 1'b0;
        if (go) begin
            tile <= 0;
            column <= 0;
            row_base <= first_row;
            place <= 0;
            channel <= 0;
        end else if (complete1) begin
            column <= column_last ? 16'd0 : column + 16'd1;
            place <= column_last ? {MA{1'b0}} : place + column_step;
            if (column_last) begin
                tile <= tile_last ? 16'd0 : tile + 16'd1;
                row_base <= tile_last ? first_row : row_base + (G >> group_log >> merge);
                if (tile_last) channel <= channel + group_words;
            end
        end
        if (complete1) begin
            words <= pooled;
            left <= G;
            word <= 0;
            second <= 1'b0;
            row <= row_base;
            start <= BITS && packs ? place : place + channel;
            first_channel <= channel;
            last <= last1;
        end else begin
            words <= words >> 8 * STEPS;
            left <= left - 1'b1;
            word <= next_word == group_words ? {CB{1'b0}} : next_word;
            if (next_word == group_words) begin
                second <= merge && !second;
                if (!merge || second) row <= row + 1'b1;
            end
        end
    end

    // the greater of two slots, which are group_words groups apart
    reg [8*STEPS-1:0] partner;
    wire [8*STEPS-1:0] merged;
    integer n;
    always @* begin
        partner = words[8*STEPS-1:0];
        for (n = 1; n < G; n = 2 * n) if (merge && group_words == n) partner = words[n*8*STEPS+:8*STEPS];
    end
    genvar i;
    generate
        for (i = 0; i < 8; i = i + 1) begin : pair
            wire [STEPS-1:0] a = words[i*STEPS+:STEPS];
            wire [STEPS-1:0] b = partner[i*STEPS+:STEPS];
            assign merged[i*STEPS+:STEPS] = a > b ? a : b;
        end
    endgenerate

    // 1: the row is read; 2: copied; 3: written
    wire [MA+GB:0] row_q;
    snncc_rom #(.WIDTH(MA + GB + 1), .DEPTH(1 << ORA), .ADDRESS(ORA), .FILE({FOLDER, "/out_rows.mem"})) out_rows (
        .clk(clk), .enable(1'b1), .address(row), .q(row_q));
    reg [MA+GB:0] target;
    reg [8*STEPS-1:0] word1, word2;
    reg [MA-1:0] offset1, offset2;
    reg valid1, valid2, end1, end2;
    reg [2:0] part1, part2;
    wire [15:0] number = first_channel + word;
    wire [LB-1:0] lane[0:7];
    generate
        for (i = 0; i < 8; i = i + 1) begin : level
            assign lane[i] = word2[i*STEPS+:STEPS] + lo;
        end
    endgenerate
    integer b;
    always @(posedge clk) begin
        valid1 <= busy && !second && number < pixel_words && !rst;
        end1 <= busy && left == 1 && last && !rst;
        word1 <= merged;
        offset1 <= start + (BITS && packs ? number >> 3 : {{16 - CB{1'b0}}, word});
        part1 <= number[2:0];
        part2 <= part1;
        part <= BITS && packs ? part2 : 3'd0;
        valid2 <= valid1 && !rst;
        end2 <= end1 && !rst;
        word2 <= word1;
        offset2 <= offset1;
        target <= row_q;
        for (b = 0; b < G; b = b + 1) write[b] <= valid2 && !rst && target[0] && target[1+:GB] == b;
        address <= target[1+GB+:MA] + offset2;
        data <= {lane[7], lane[6], lane[5], lane[4], lane[3], lane[2], lane[1], lane[0]};
        done <= end2 && !rst;
    end

`ifdef SNNCC_CHECK
    always @(posedge clk)
        if (!rst && complete1 && busy && left != 1) $fatal(1, "a window is complete before the last one is written");
`endif
endmodule
`default_nettype wire
