// From commands to words: expands every command into row visits times words, reads all banks at once and
// finds the levels that are not zero. All stages move on their own as soon as the stage behind them is free.
`default_nettype none
module snncc_fetch #(
    parameter G = 1,
    parameter GB = 1,
    parameter LB = 4,
    parameter MA = 8,
    parameter WA = 8,
    parameter NEA = 8,
    parameter RVA = 8,
    parameter RCB = 4,
    parameter CWA = 8,
    parameter CCB = 4,
    parameter RWA = 8,
    parameter CWIA = 8,
    parameter DEPTH = 2,
    parameter BITS = 0,
    parameter FOLDER = "."
) (
    input wire clk,
    input wire rst,
    // commands
    input wire walk_valid,
    output wire walk_enable,
    input wire [RWA-1:0] walk_row,
    input wire [CWIA-1:0] walk_column,
    input wire [WA-1:0] walk_weight,
    input wire [NEA-1:0] walk_neuron,
    input wire [MA-1:0] walk_channel,
    input wire [4:0] walk_flags,  // pass last, window last, window first, tile last, tile first
    // map memory, write side
    input wire [G-1:0] write,
    input wire [7:0] write_bytes,
    input wire [MA-1:0] write_address,
    input wire [8*LB-1:0] write_data,
    // words
    input wire enable,
    output wire valid,
    output wire [G*8*LB-1:0] data,
    output wire [7:0] joint,
    output wire [7:0] mask,
    output wire [GB-1:0] bank,
    output wire [G-1:0] banks,
    output wire [WA-1:0] weight,
    output wire [NEA-1:0] neuron,
    output wire own,
    output wire shift,
    output wire tile_first,
    output wire tile_last,
    output wire window_first,
    output wire window_last,
    output wire pass_last
);
    localparam ROW_WINDOW = RVA + RCB + NEA + 2;
    localparam COLUMN_WINDOW = CWA + CCB + MA + NEA;
    localparam ROW_VISIT = 2 * MA + GB + G + WA + 1;
    localparam COLUMN_WORD = MA + WA + 1 + 8;
    localparam STAGES = 9;

    // --- commands: windows are read, copied, and expanded ---

    reg w1_valid, w2_valid, f0_valid;
    wire f0_done;
    wire f1_enable;
    wire f0_enable = !f0_valid || (f1_enable && f0_done);
    wire w2_enable = !w2_valid || f0_enable;
    wire w1_enable = !w1_valid || w2_enable;
    assign walk_enable = w1_enable;

    wire [ROW_WINDOW-1:0] row_q;
    wire [COLUMN_WINDOW-1:0] column_q;
    snncc_rom #(.WIDTH(ROW_WINDOW), .DEPTH(1 << RWA), .ADDRESS(RWA), .FILE({FOLDER, "/row_windows.mem"})) row_windows (
        .clk(clk), .enable(w1_enable), .address(walk_row), .q(row_q));
    snncc_rom #(.WIDTH(COLUMN_WINDOW), .DEPTH(1 << CWIA), .ADDRESS(CWIA), .FILE({FOLDER, "/col_windows.mem"})) column_windows (
        .clk(clk), .enable(w1_enable), .address(walk_column), .q(column_q));

    reg [WA-1:0] w1_weight, w2_weight, f0_weight;
    reg [NEA-1:0] w1_neuron, w2_neuron, f0_neuron, f0_border;
    reg [MA-1:0] w1_channel, w2_channel;
    reg [4:0] w1_flags, w2_flags, f0_flags;
    reg [ROW_WINDOW-1:0] w2_row;
    reg [COLUMN_WINDOW-1:0] w2_column;

    wire [RVA-1:0] row_first = w2_row[0+:RVA];
    wire [RCB-1:0] row_count = w2_row[RVA+:RCB];
    wire [NEA-1:0] row_border = w2_row[RVA+RCB+:NEA];
    wire row_own = w2_row[RVA+RCB+NEA];
    wire row_shift = w2_row[RVA+RCB+NEA+1];
    wire [CWA-1:0] column_first = w2_column[0+:CWA];
    wire [CCB-1:0] column_count = w2_column[CWA+:CCB];
    wire [MA-1:0] column_offset = w2_column[CWA+CCB+:MA];
    wire [NEA-1:0] column_border = w2_column[CWA+CCB+MA+:NEA];

    reg [RVA-1:0] f0_row;
    reg [RCB-1:0] f0_rows;
    reg [CWA-1:0] f0_word, f0_first;
    reg [CCB-1:0] f0_words, f0_count;
    reg [MA-1:0] f0_offset;
    reg f0_own, f0_shift, f0_fresh;
    wire f0_row_done = f0_words == 1;
    assign f0_done = f0_row_done && f0_rows == 1;

    always @(posedge clk) begin
        if (rst) begin
            w1_valid <= 1'b0;
            w2_valid <= 1'b0;
            f0_valid <= 1'b0;
        end else begin
            if (w1_enable) w1_valid <= walk_valid;
            if (w2_enable) w2_valid <= w1_valid;
            if (f0_enable) f0_valid <= w2_valid;
        end
        if (w1_enable) begin
            w1_weight <= walk_weight;
            w1_neuron <= walk_neuron;
            w1_channel <= walk_channel;
            w1_flags <= walk_flags;
        end
        if (w2_enable) begin
            w2_row <= row_q;
            w2_column <= column_q;
            w2_weight <= w1_weight;
            w2_neuron <= w1_neuron;
            w2_channel <= w1_channel;
            w2_flags <= w1_flags;
        end
        if (f0_enable) begin
            f0_row <= row_first;
            f0_rows <= row_count;
            f0_word <= column_first;
            f0_first <= column_first;
            f0_words <= column_count;
            f0_count <= column_count;
            f0_offset <= column_offset + (row_own ? w2_channel : {MA{1'b0}});
            f0_weight <= w2_weight;
            f0_neuron <= w2_neuron;
            f0_border <= row_border + column_border;
            f0_own <= row_own;
            f0_shift <= row_shift;
            f0_flags <= w2_flags;
            f0_fresh <= 1'b1;
        end else if (f1_enable) begin
            f0_fresh <= 1'b0;
            if (f0_row_done) begin
                f0_row <= f0_row + 1'b1;
                f0_rows <= f0_rows - 1'b1;
                f0_word <= f0_first;
                f0_words <= f0_count;
            end else begin
                f0_word <= f0_word + 1'b1;
                f0_words <= f0_words - 1'b1;
            end
        end
    end

    // --- words: stage by stage, each free to move when a later one is empty ---

    reg [STAGES:1] stage;
    wire [STAGES:1] move;
    genvar s;
    generate
        for (s = 1; s <= STAGES; s = s + 1) begin : elastic
            assign move[s] = enable || !(&stage[STAGES:s]);
        end
    endgenerate
    assign f1_enable = move[1];
    assign valid = stage[STAGES];
    integer i;
    always @(posedge clk) begin
        if (rst) stage <= 0;
        else begin
            if (move[1]) stage[1] <= f0_valid;
            for (i = 2; i <= STAGES; i = i + 1) if (move[i]) stage[i] <= stage[i-1];
        end
    end

    // what travels beside the words: flags, own, shift (first word of the projection)
    wire [6:0] f0_marks = {
        f0_shift && f0_fresh, f0_own, f0_flags[4], f0_flags[3], f0_flags[2],
        f0_flags[1] && f0_done, f0_flags[0] && f0_fresh};
    reg [6:0] marks[1:STAGES];
    reg [NEA-1:0] neurons[1:STAGES];
    reg [WA-1:0] weights[1:STAGES];
    always @(posedge clk) begin
        if (move[1]) begin
            marks[1] <= f0_marks;
            neurons[1] <= f0_neuron + f0_border;
        end
        for (i = 2; i <= STAGES; i = i + 1) if (move[i]) begin
            marks[i] <= marks[i-1];
            neurons[i] <= neurons[i-1];
        end
    end
    assign {shift, own, pass_last, window_last, window_first, tile_last, tile_first} = marks[STAGES];
    assign neuron = neurons[STAGES];
    assign weight = weights[STAGES];

    // 1: row visit and word are read
    wire [ROW_VISIT-1:0] visit_q;
    wire [COLUMN_WORD-1:0] word_q;
    snncc_rom #(.WIDTH(ROW_VISIT), .DEPTH(1 << RVA), .ADDRESS(RVA), .FILE({FOLDER, "/row_visits.mem"})) row_visits (
        .clk(clk), .enable(move[1]), .address(f0_row), .q(visit_q));
    snncc_rom #(.WIDTH(COLUMN_WORD), .DEPTH(1 << CWA), .ADDRESS(CWA), .FILE({FOLDER, "/col_words.mem"})) column_words (
        .clk(clk), .enable(move[1]), .address(f0_word), .q(word_q));
    reg [MA-1:0] offset1, offset2;
    // 2: copies
    reg [ROW_VISIT-1:0] visit;
    reg [COLUMN_WORD-1:0] word;
    wire [MA-1:0] visit_address = visit[0+:MA];
    wire [MA-1:0] visit_wrap = visit[MA+:MA];
    wire [GB-1:0] visit_bank = visit[2*MA+:GB];
    wire [G-1:0] visit_banks = visit[2*MA+GB+:G];
    wire [WA-1:0] visit_weight = visit[2*MA+GB+G+:WA];  // modulo 2^WA the sign bit does not matter
    wire [MA-1:0] word_offset = word[0+:MA];
    wire [WA-1:0] word_weight = word[MA+:WA];
    wire [7:0] word_mask = word[MA+WA+1+:8];
    // 3, 4: sums; 5: an address per bank
    reg [MA-1:0] near3, far3, offset3, near4, far4;
    reg [WA-1:0] word_weight3;
    reg [G-1:0] below4;
    reg [G*MA-1:0] address5;
    reg [GB-1:0] bank_of[3:STAGES];
    reg [G-1:0] banks_of[3:STAGES];
    reg [7:0] mask_of[3:STAGES];
    integer b;
    always @(posedge clk) begin
        if (move[1]) begin
            offset1 <= f0_offset;
            weights[1] <= f0_weight;
        end
        if (move[2]) begin
            visit <= visit_q;
            word <= word_q;
            offset2 <= offset1;
            weights[2] <= weights[1];
        end
        if (move[3]) begin
            near3 <= visit_address;
            far3 <= visit_address + visit_wrap;
            offset3 <= offset2 + word_offset;
            weights[3] <= weights[2] + visit_weight;
            word_weight3 <= word_weight;
            bank_of[3] <= visit_bank;
            banks_of[3] <= word_mask != 0 ? visit_banks : {G{1'b0}};
            mask_of[3] <= word_mask;
        end
        if (move[4]) begin
            near4 <= near3 + offset3;
            far4 <= far3 + offset3;
            weights[4] <= weights[3] + word_weight3;
            for (b = 0; b < G; b = b + 1) below4[b] <= b < bank_of[3];
        end
        if (move[5]) for (b = 0; b < G; b = b + 1) address5[b*MA+:MA] <= below4[b] ? far4 : near4;
        for (i = 5; i <= STAGES; i = i + 1) if (move[i]) weights[i] <= weights[i-1];
        for (i = 4; i <= STAGES; i = i + 1) if (move[i]) begin
            bank_of[i] <= bank_of[i-1];
            banks_of[i] <= banks_of[i-1];
        end
        for (i = 4; i <= STAGES; i = i + 1) if (move[i]) mask_of[i] <= mask_of[i-1];
    end
    assign bank = bank_of[STAGES];
    assign banks = banks_of[STAGES];
    assign mask = mask_of[STAGES];

    // 6: the banks are read; 7: copies; 8: which levels are not zero; 9: in any row
    wire [G*8*LB-1:0] bank_q;
    generate
        for (s = 0; s < G; s = s + 1) begin : map
            if (BITS) begin : bytes
                snncc_bytes #(.LB(LB), .DEPTH(DEPTH), .ADDRESS(MA)) memory (
                    .clk(clk), .write({8{write[s]}} & write_bytes), .write_address(write_address),
                    .write_data(write_data), .enable(move[6]), .read_address(address5[s*MA+:MA]),
                    .q(bank_q[s*8*LB+:8*LB]));
            end else begin : whole
                snncc_bank #(.WIDTH(8 * LB), .DEPTH(DEPTH), .ADDRESS(MA)) memory (
                    .clk(clk), .write(write[s]), .write_address(write_address), .write_data(write_data),
                    .enable(move[6]), .read_address(address5[s*MA+:MA]), .q(bank_q[s*8*LB+:8*LB]));
            end
        end
    endgenerate
    reg [G*8*LB-1:0] data7, data8, data9;
    reg [G*8-1:0] used8;
    reg [7:0] joint9, any;
    integer l;
    always @* begin
        any = 0;
        for (b = 0; b < G; b = b + 1) any = any | used8[b*8+:8];
    end
    always @(posedge clk) begin
        if (move[7]) data7 <= bank_q;
        if (move[8]) begin
            data8 <= data7;
            for (b = 0; b < G; b = b + 1)
                for (l = 0; l < 8; l = l + 1)
                    used8[b*8+l] <= |data7[(b*8+l)*LB+:LB] && banks_of[7][b] && mask_of[7][l];
        end
        if (move[9]) begin
            data9 <= data8;
            joint9 <= any;
        end
    end
    assign data = data9;
    assign joint = joint9;

`ifdef SNNCC_CHECK
    always @(posedge clk)
        if (!rst) begin
            if (f0_valid && (f0_rows == 0 || f0_words == 0)) $fatal(1, "a command without words");
            if (stage[5] && move[6])
                for (b = 0; b < G; b = b + 1)
                    if (banks_of[5][b] && mask_of[5] != 0 && address5[b*MA+:MA] >= DEPTH)
                        $fatal(1, "a map is read beyond its memory");
            for (b = 0; b < G; b = b + 1)
                if (stage[5] && move[6] && write[b] && banks_of[5][b] && mask_of[5] != 0
                    && write_address == address5[b*MA+:MA])
                    $fatal(1, "a word is read in the cycle in which it is written");
        end
`endif
endmodule
`default_nettype wire
