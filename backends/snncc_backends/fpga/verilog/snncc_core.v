// The level core: runs the tables of docs/fpga.md. `start` runs all passes on the levels that the host has loaded.
`default_nettype none
module snncc_core #(
    parameter P = 8,
    parameter WB = 8,
    parameter LB = 4,
    parameter SIGNED = 0,
    parameter VB = 20,
    parameter TB = 14,
    parameter STEPS = 4,
    parameter MIXED = 0,
    parameter MA = 8,
    parameter WA = 8,
    parameter NEA = 8,
    parameter RVA = 8,
    parameter RCB = 4,
    parameter CWA = 8,
    parameter CCB = 4,
    parameter RWA = 8,
    parameter CWIA = 8,
    parameter ORA = 8,
    parameter PA = 4,
    parameter MAP_WORDS = 2,
    parameter WEIGHT_WORDS = 2,
    parameter NEURON_WORDS = 2,
    parameter TABLE_ROWS = 0,
    parameter TRA = 1,
    parameter BB = 1,
    parameter BITS = 0,
    parameter MUL = 1,
    parameter SHIFTS = 0,
    parameter BIT_WORDS = 1,
    parameter FOLDER = ".",  // where the tables are
    parameter G = P / 8,
    parameter GB = G > 2 ? $clog2(G) : 1
) (
    input wire clk,
    input wire rst,
    input wire start,
    output reg busy,
    output reg done,
    output reg [31:0] cycle,
    // the host loads maps while the core is idle
    input wire host_write,
    input wire [GB-1:0] host_bank,
    input wire [MA-1:0] host_address,
    input wire [8*LB-1:0] host_data,
    // every word that a pass writes
    output wire [G-1:0] map_write,
    output wire [MA-1:0] map_address,
    output wire [8*LB-1:0] map_data,
    output wire [2:0] map_part,
    // every potential of a readout
    output wire result_valid,
    output reg [31:0] result_address,
    output wire [G*VB-1:0] result_data
);
    localparam LEAST = G > 8 ? G : 8;
    localparam HB = $clog2(LEAST) + 1;
    localparam SETTINGS = 12;

    // --- passes ---

    reg loading, go;
    reg [PA-1:0] pass_address;
    reg [4:0] taken;
    reg [1:0] arriving;
    wire [31:0] pass_q;
    reg [31:0] pass_word;
    snncc_rom #(.WIDTH(32), .DEPTH(1 << PA), .ADDRESS(PA), .FILE({FOLDER, "/passes.mem"})) passes (
        .clk(clk), .enable(1'b1), .address(pass_address), .q(pass_q));
    reg [31:0] setting[0:SETTINGS-1];
    wire pass_done;
    reg is_readout;
    wire [3:0] group_log = setting[0][7:4];
    wire binary = BITS != 0 && setting[11][18];
    wire planes = BITS != 0 && setting[11][19];
    wire packs = BITS != 0 && setting[11][20];
    integer k;

    always @(posedge clk) begin
        go <= 1'b0;
        done <= 1'b0;
        pass_word <= pass_q;
        if (go) is_readout <= setting[0][0];
        arriving <= {arriving[0], loading};
        cycle <= cycle + 32'd1;
        if (rst) begin
            busy <= 1'b0;
            loading <= 1'b0;
            arriving <= 2'd0;
        end else if (!busy) begin
            cycle <= 32'd1;
            pass_address <= 0;
            taken <= 0;
            busy <= start;
            loading <= start;
        end else begin
            if (loading) begin
                pass_address <= pass_address + 1'b1;
                if (pass_address[3:0] == SETTINGS - 1) loading <= 1'b0;
            end
            if (arriving[1]) begin
                for (k = 0; k < SETTINGS - 1; k = k + 1) setting[k] <= setting[k+1];
                setting[SETTINGS-1] <= pass_word;
                taken <= taken + 1'b1;
                go <= taken == SETTINGS - 1;
            end
            if (pass_done) begin
                taken <= 0;
                pass_address <= {pass_address[PA-1:4] + 1'b1, 4'd0};
                loading <= !setting[11][16];
                busy <= !setting[11][16];
                done <= setting[11][16];
            end
        end
    end

    // --- from loops to steps ---

    wire walk_valid, walk_enable;
    wire [RWA-1:0] walk_row;
    wire [CWIA-1:0] walk_column;
    wire [WA-1:0] walk_weight;
    wire [NEA-1:0] walk_neuron;
    wire [MA-1:0] walk_channel;
    wire [4:0] walk_flags;
    snncc_walk #(.MA(MA), .WA(WA), .NEA(NEA), .RWA(RWA), .CWIA(CWIA)) walk (
        .clk(clk), .rst(rst), .go(go),
        .projections(setting[0][15:8]), .window_rows(setting[0][23:16]), .window_columns(setting[0][31:24]),
        .blocks(setting[1][15:0]), .tiles(setting[1][31:16]), .columns(setting[2][15:0]),
        .first_row(setting[3][RWA-1:0]), .first_column(setting[4][CWIA-1:0]),
        .first_weight(setting[6][WA-1:0]), .weight_step(setting[7][WA-1:0]),
        .first_neuron(setting[8][NEA-1:0]), .neuron_step(setting[9][NEA-1:0]),
        .group_words(binary ? {MA{1'b0}} : {{MA{1'b0}}, 1'b1} << group_log),
        .enable(walk_enable), .valid(walk_valid), .row_window(walk_row), .column_window(walk_column),
        .weight(walk_weight), .neuron(walk_neuron), .channel(walk_channel),
        .tile_first(walk_flags[0]), .tile_last(walk_flags[1]), .window_first(walk_flags[2]),
        .window_last(walk_flags[3]), .pass_last(walk_flags[4]));

    wire [G-1:0] bank_write;
    wire [MA-1:0] bank_address;
    wire [8*LB-1:0] bank_data;
    wire word_valid, word_enable, word_own, word_shift, word_first, word_last;
    wire [G*8*LB-1:0] word_data;
    wire [7:0] word_joint, word_mask, bank_bytes;
    wire [GB-1:0] word_bank;
    wire [G-1:0] word_banks;
    wire [WA-1:0] word_weight;
    wire [NEA-1:0] word_neuron;
    wire [2:0] word_marks;
    snncc_fetch #(
        .G(G), .GB(GB), .LB(LB), .MA(MA), .WA(WA), .NEA(NEA), .RVA(RVA), .RCB(RCB), .CWA(CWA), .CCB(CCB),
        .RWA(RWA), .CWIA(CWIA), .DEPTH(MAP_WORDS), .BITS(BITS), .FOLDER(FOLDER)) fetch (
        .clk(clk), .rst(rst), .walk_valid(walk_valid), .walk_enable(walk_enable), .walk_row(walk_row),
        .walk_column(walk_column), .walk_weight(walk_weight), .walk_neuron(walk_neuron),
        .walk_channel(walk_channel), .walk_flags(walk_flags),
        .write(bank_write), .write_bytes(bank_bytes), .write_address(bank_address), .write_data(bank_data),
        .enable(word_enable), .valid(word_valid), .data(word_data), .joint(word_joint), .mask(word_mask), .bank(word_bank),
        .banks(word_banks), .weight(word_weight), .neuron(word_neuron), .own(word_own), .shift(word_shift),
        .tile_first(word_first), .tile_last(word_last), .window_first(word_marks[0]),
        .window_last(word_marks[1]), .pass_last(word_marks[2]));

    wire step_valid, step_own, step_shift, step_first, step_last;
    wire [G*LB-1:0] step_levels;
    wire [G*8*LB-1:0] step_words;
    wire [7:0] step_mask;
    wire [GB-1:0] step_bank;
    wire [WA-1:0] step_weight;
    wire [NEA-1:0] step_neuron;
    wire [2:0] step_marks;
    snncc_scan #(.G(G), .GB(GB), .LB(LB), .WA(WA), .NEA(NEA), .LEAST(LEAST), .HB(HB)) scan (
        .clk(clk), .rst(rst), .fresh(go), .in_valid(word_valid), .in_enable(word_enable), .in_data(word_data),
        .in_joint(word_joint), .in_mask(word_mask), .in_bank(word_bank), .in_banks(word_banks), .in_weight(word_weight),
        .in_neuron(word_neuron), .in_own(word_own), .in_shift(word_shift), .in_first(word_first),
        .in_last(word_last), .in_marks(word_marks),
        .valid(step_valid), .levels(step_levels), .words(step_words), .taken(step_mask), .bank(step_bank), .weight(step_weight),
        .neuron(step_neuron), .own(step_own), .shift(step_shift), .first(step_first), .last(step_last),
        .marks(step_marks));

    // --- what goes with the steps: 1 as given, 2 levels chosen, 3 weights copied, then products, then sums ---

    // binary lanes: 2 words masked, 3 weights copied, 4 to 6 bits counted, then as products
    localparam PRODUCT = 4 + MIXED;
    localparam COUNTED = 7;
    localparam SUM = (BITS != 0 ? COUNTED : PRODUCT) + 1;
    reg [SUM:2] adds, owns, shifts, firsts, lasts;
    reg [NEA-1:0] neurons[2:SUM];
    reg [2:0] marks[2:SUM];
    reg [2:0] part2;
    reg [3:0] offset3;  // the place of the weight in its slot
    always @(posedge clk) begin
        adds <= {adds[SUM-1:2], step_valid && !rst};
        owns <= {owns[SUM-1:2], step_own};
        shifts <= {shifts[SUM-1:2], step_shift};
        firsts <= {firsts[SUM-1:2], step_first};
        lasts <= {lasts[SUM-1:2], step_last && !rst};
        neurons[2] <= step_neuron;
        marks[2] <= step_marks;
        for (k = 3; k <= SUM; k = k + 1) begin
            neurons[k] <= neurons[k-1];
            marks[k] <= marks[k-1];
        end
    end

    wire [7:0] weight_bits = setting[10][23:16];
    wire [7:0] top = setting[10][31:24];
    wire [1:0] pack = WB / 8 >= weight_bits ? 2'd3 : WB / 4 >= weight_bits ? 2'd2 : WB / 2 >= weight_bits ? 2'd1 : 2'd0;
    wire [WA-1:0] weight_word = MIXED ? step_weight >> pack : step_weight;
    wire [2:0] part = step_weight[2:0] & ((3'd1 << pack) - 3'd1);
    wire [P*WB-1:0] weights_q;
    reg [P*WB-1:0] slots;
    generate
        if (MUL) begin : multiplied
            snncc_rom #(.WIDTH(P * WB), .DEPTH(WEIGHT_WORDS), .ADDRESS(WA), .FILE({FOLDER, "/weights.mem"})) weights (
                .clk(clk), .enable(1'b1), .address(weight_word), .q(weights_q));
        end else assign weights_q = {P * WB{1'b0}};
    endgenerate
    always @(posedge clk) begin
        slots <= weights_q;
        part2 <= part;
        // no product: it would take a multiplier
        offset3 <= (part2[0] ? weight_bits[3:0] : 4'd0) + (part2[1] ? weight_bits[3:0] << 1 : 4'd0)
            + (part2[2] ? weight_bits[3:0] << 2 : 4'd0);
    end

    // --- binary lanes: the word of the one bank that is read, and 64 weights for each lane ---

    wire [8*LB-1:0] word_bits;
    wire [64*P-1:0] bit_weights;
    wire [LB+3:0] whole;
    generate
        if (!BITS) begin : no_bits
            assign bit_weights = 0;
            assign whole = 0;
            assign word_bits = 0;
        end else begin : binary_lanes
            reg [8*LB-1:0] joined, word2, word3;
            integer b, q, n;
            always @* begin
                joined = 0;
                for (b = 0; b < G; b = b + 1) joined = joined | step_words[b*8*LB+:8*LB];
            end
            wire [64*P-1:0] weights_read;
            reg [64*P-1:0] weights_copy;
            snncc_rom #(.WIDTH(64 * P), .DEPTH(BIT_WORDS), .ADDRESS(WA), .FILE({FOLDER, "/bit_weights.mem"})) weights (
                .clk(clk), .enable(1'b1), .address(step_weight), .q(weights_read));
            always @(posedge clk) begin
                for (q = 0; q < 8; q = q + 1) word2[q*LB+:LB] <= joined[q*LB+:LB] & {LB{step_mask[q]}};
                // plane n of level q is bit n of byte q: planes change places with levels
                for (q = 0; q < 8; q = q + 1)
                    for (n = 0; n < 8; n = n + 1) word3[8*n+q] <= planes ? word2[LB*q+n] : word2[LB*n+q];
                if (LB == 9)
                    for (q = 0; q < 8; q = q + 1) word3[8*(LB-1)+q] <= planes && word2[LB*q+LB-1];
                weights_copy <= weights_read;
            end
            assign bit_weights = weights_copy;
            assign word_bits = word3;
            snncc_count #(.LB(LB), .SIGNED(SIGNED)) all (.clk(clk), .planes(planes), .bits(word_bits), .count(whole));
        end
    endgenerate

    // --- firing: the sums are taken, and leave lane by lane ---

    localparam POTENTIAL = 3;
    localparam LEVEL = POTENTIAL + (TABLE_ROWS == 0 ? STEPS : 3 * STEPS) + 1;
    wire late = MUL == 0 || binary;  // constant in a core with lanes of one kind
    wire add = BITS != 0 && late ? adds[SUM-1] : adds[PRODUCT];
    wire add_first = BITS != 0 && late ? firsts[SUM-1] : firsts[PRODUCT];
    wire add_shift = BITS != 0 && late ? shifts[SUM-1] : shifts[PRODUCT];
    wire take = BITS != 0 && late ? lasts[SUM] : lasts[PRODUCT+1];
    wire [NEA-1:0] take_neuron = BITS != 0 && late ? neurons[SUM] : neurons[PRODUCT+1];
    wire [2:0] take_marks = BITS != 0 && late ? marks[SUM] : marks[PRODUCT+1];
    reg [3:0] left;
    reg [NEA-1:0] neuron;
    reg [2:0] taken_marks;
    wire draining = left != 0;
    reg [LEVEL:1] valids, ends;
    reg [2:0] mark[1:LEVEL];
    always @(posedge clk) begin
        if (rst) left <= 4'd0;
        else if (take) left <= 4'd8;
        else if (draining) left <= left - 4'd1;
        neuron <= take ? take_neuron : neuron + 1'b1;
        if (take) taken_marks <= take_marks;
        valids <= {valids[LEVEL-1:1], draining && !rst};
        valids[POTENTIAL+1] <= valids[POTENTIAL] && !is_readout;  // a readout has no levels
        ends <= {ends[LEVEL-1:1], left == 4'd1};
        mark[1] <= taken_marks;
        for (k = 2; k <= LEVEL; k = k + 1) mark[k] <= mark[k-1];
    end
    wire [G*(TB+VB)-1:0] neurons_q;
    reg [G*(TB+VB)-1:0] neuron_word;
    snncc_rom #(.WIDTH(G * (TB + VB)), .DEPTH(NEURON_WORDS), .ADDRESS(NEA), .FILE({FOLDER, "/neurons.mem"})) neuron_table (
        .clk(clk), .enable(1'b1), .address(neuron), .q(neurons_q));
    always @(posedge clk) neuron_word <= neurons_q;

    wire [TRA-1:0] row_word;
    generate
        if (TABLE_ROWS == 0) assign row_word = 0;
        else begin : tabled
            wire [TRA-1:0] row_q;
            reg [TRA-1:0] row_copy;
            snncc_rom #(.WIDTH(TRA), .DEPTH(NEURON_WORDS), .ADDRESS(NEA), .FILE({FOLDER, "/table_rows.mem"})) table_rows (
                .clk(clk), .enable(1'b1), .address(neuron), .q(row_q));
            always @(posedge clk) row_copy <= row_q;
            assign row_word = row_copy;
        end
    endgenerate

    wire [G*8*STEPS-1:0] pooled;
    genvar g;
    generate
        for (g = 0; g < G; g = g + 1) begin : groups
            wire [GB-1:0] slot = g >> group_log;
            snncc_group #(
                .G(G), .GB(GB), .WB(WB), .LB(LB), .SIGNED(SIGNED), .VB(VB), .TB(TB), .STEPS(STEPS), .MIXED(MIXED),
                .TABLE_ROWS(TABLE_ROWS), .TRA(TRA), .BB(BB), .NUMBER(g), .FOLDER(FOLDER), .BITS(BITS), .MUL(MUL), .SHIFTS(SHIFTS)
            ) group (
                .clk(clk), .levels(step_levels), .words(step_words),
                .source(G == 1 ? 1'b0 : step_bank + slot), .own(owns[2]),
                .slots(slots[g*8*WB+:8*WB]), .weight_bits(weight_bits), .offset(offset3),
                .binary(binary), .planes(planes), .word_bits(word_bits), .bit_weights(bit_weights[g*8*64+:8*64]), .whole(whole),
                .add(add), .first(add_first), .shift(add_shift), .take(take),
                .theta(neuron_word[g*(TB+VB)+:TB]), .bias(neuron_word[g*(TB+VB)+TB+:VB]), .row(row_word),
                .potential(result_data[g*VB+:VB]), .top(top),
                .keep(valids[LEVEL]), .window_first(mark[LEVEL][0]), .pooled(pooled[g*8*STEPS+:8*STEPS]));
        end
    endgenerate

    // --- results ---

    assign result_valid = valids[POTENTIAL] && is_readout;
    wire result_last = result_valid && ends[POTENTIAL] && mark[POTENTIAL][2];
    always @(posedge clk) begin
        if (go) result_address <= setting[5];
        else if (result_valid) result_address <= result_address + 32'd1;
    end

    wire [G-1:0] write;
    wire [MA-1:0] write_address;
    wire [8*LB-1:0] write_data;
    wire write_done;
    snncc_write #(.G(G), .GB(GB), .LB(LB), .STEPS(STEPS), .MA(MA), .ORA(ORA), .BITS(BITS), .FOLDER(FOLDER)) writer (
        .clk(clk), .rst(rst), .go(go), .group_log(group_log), .merge(setting[11][17]), .tiles(setting[1][31:16]),
        .columns(setting[2][15:0]), .pixel_words(setting[2][31:16]), .column_step(setting[10][MA-1:0]),
        .first_row(setting[5][ORA-1:0]), .lo(setting[11][LB-1:0]), .packs(packs),
        .complete(valids[LEVEL] && ends[LEVEL] && mark[LEVEL][1]),
        .pass_last(mark[LEVEL][2]), .pooled(pooled),
        .write(write), .address(write_address), .data(write_data), .part(map_part), .done(write_done));
    assign pass_done = write_done || result_last;
    assign map_write = write;
    assign map_address = write_address;
    assign map_data = write_data;
    assign bank_write = busy ? write : (host_write ? {{G - 1{1'b0}}, 1'b1} << host_bank : {G{1'b0}});
    assign bank_address = busy ? write_address : host_address;
    wire [8*LB-1:0] packed_data;  // the byte of eight one-bit levels, in every place
    generate
        if (!BITS) assign packed_data = write_data;
        else begin : packing
            wire [7:0] byte_of;
            genvar l;
            for (l = 0; l < 8; l = l + 1) begin : level
                assign byte_of[l] = write_data[l*LB];
            end
            wire [LB-1:0] wide_byte = byte_of;
            assign packed_data = {8{wide_byte}};
        end
    endgenerate
    assign bank_data = !busy ? host_data : packs ? packed_data : write_data;
    assign bank_bytes = busy && packs ? 8'd1 << map_part : 8'hff;

`ifdef SNNCC_CHECK
    always @(posedge clk)
        if (!rst) begin
            if (take && draining && left != 4'd1) $fatal(1, "a tile ends before the last one has fired");
            if (step_valid && !binary && (step_own || |step_levels) && weight_word >= WEIGHT_WORDS) $fatal(1, "weights are read beyond their memory");
            if (step_valid && binary && |step_mask && step_weight >= BIT_WORDS) $fatal(1, "binary weights are read beyond their memory");
            if (step_valid && binary && G != 1 << group_log) $fatal(1, "binary lanes compute one row");
            if (draining && neuron >= NEURON_WORDS) $fatal(1, "thresholds are read beyond their memory");
            if (|write && write_address >= MAP_WORDS) $fatal(1, "a map is written beyond its memory");
            if (host_write && busy) $fatal(1, "the host writes while the core runs");
        end
`endif
endmodule
`default_nettype wire
