// The event core: runs the tables of docs/fpga.md, section 9, step by step. `start` runs one image that the host has
// loaded; every word of spikes and of results leaves the core as it is written.
`default_nettype none
module snncc_event_core #(
    parameter P = 8,
    parameter WB = 8,
    parameter LB = 9,
    parameter SIGNED = 0,
    parameter EB = 10,
    parameter VB = 20,
    parameter TB = 14,
    parameter SB = 4,
    parameter NB = 4,
    parameter STBIF = 0,
    parameter MIXED = 0,
    parameter LEAKY = 0,
    parameter VA = 8,
    parameter MA = 8,
    parameter IA = 8,
    parameter NA = 8,
    parameter RWA = 4,
    parameter CWIA = 4,
    parameter RVA = 4,
    parameter CWA = 4,
    parameter RCB = 2,
    parameter CCB = 2,
    parameter PA = 5,
    parameter POTENTIAL_WORDS = 2,
    parameter SENT_WORDS = 2,
    parameter MAP_WORDS = 2,
    parameter INPUT_WORDS = 2,
    parameter WEIGHT_WORDS = 2,
    parameter NEURON_WORDS = 2,
    parameter SPB = 1 + SIGNED
) (
    input wire clk,
    input wire rst,
    input wire start,
    output reg busy,
    output reg done,
    output reg [31:0] cycle,
    // the host loads inputs while the core is idle
    input wire host_write,
    input wire [IA-1:0] host_address,
    input wire [P*LB-1:0] host_data,
    // every word of spikes that is written
    output reg map_write,
    output reg [MA-1:0] map_address,
    output reg [P*SPB-1:0] map_data,
    // the potentials of readouts after every step
    output reg result_valid,
    output reg [31:0] result_address,
    output reg [P*VB-1:0] result_data
);
    localparam ADD = 4'd0, FIRE = 4'd1, LOAD = 4'd2, READ = 4'd3, POOL = 4'd4, END = 4'd5;
    localparam SETTINGS = 13;
    integer k;

    // --- passes and steps ---

    reg loading, chosen, go;
    reg [PA-1:0] pass_address;
    reg [3:0] taken;
    reg [1:0] arriving;
    wire [31:0] pass_q;
    reg [31:0] pass_word;
    reg [31:0] setting[0:SETTINGS-1];
    reg [16:0] left;  // steps behind this one, from the second on
    reg step_zero, step_one;
    reg spiked;  // in this step
    snncc_rom #(.WIDTH(32), .DEPTH(1 << PA), .ADDRESS(PA), .FILE("passes.mem")) passes (
        .clk(clk), .enable(1'b1), .address(pass_address), .q(pass_q));

    wire [3:0] op = setting[0][3:0];
    wire [3:0] when = setting[0][7:4];
    wire skips = (when == 4'd1 && !step_one) || (when == 4'd2 && step_zero);
    wire at_end = op == END;
    wire [16:0] steps = setting[5][16:0];
    wire ends = STBIF ? !step_zero && !spiked : step_zero ? steps == 17'd1 : left == 17'd0;
    wire pass_done;
    wire next_pass = pass_done || (chosen && (skips || at_end));
    wire stops = chosen && at_end && ends;
    wire loops = chosen && at_end && !ends;
    wire [PA-5:0] pass_number = pass_address[PA-1:4] + 1'b1;

    always @(posedge clk) begin
        done <= 1'b0;
        chosen <= 1'b0;
        go <= chosen && !skips && !at_end && !rst;
        pass_word <= pass_q;
        arriving <= {arriving[0], loading};
        cycle <= cycle + 32'd1;
        if (map_write && map_data != 0) spiked <= 1'b1;
        if (rst) begin
            busy <= 1'b0;
            loading <= 1'b0;
            arriving <= 2'd0;
        end else if (!busy) begin
            cycle <= 32'd1;
            pass_address <= 0;
            taken <= 0;
            step_zero <= 1'b1;
            step_one <= 1'b0;
            spiked <= 1'b0;
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
                chosen <= taken == SETTINGS - 1;
            end
            if (next_pass) begin
                taken <= 0;
                loading <= !stops;
                busy <= !stops;
                done <= stops;
                pass_address <= {loops ? setting[6][PA-5:0] : pass_number, 4'd0};
            end
            if (loops) begin
                left <= step_zero ? steps - 17'd2 : left - 17'd1;
                step_zero <= 1'b0;
                step_one <= step_zero;
                spiked <= 1'b0;
            end
        end
    end

    wire from_input = setting[0][8];
    wire own = setting[0][9];
    wire current = setting[0][14];  // a tap brings what a step adds
    reg [12:0] keep_u, keep_v;  // 4096ths that stay of what a tap reads, and of potentials
    always @(posedge clk) begin
        keep_u <= 13'd4096 - setting[10][12:0];
        keep_v <= 13'd4096 - setting[10][28:16];
    end
    wire [7:0] weight_bits = setting[0][23:16];

    // --- accesses, stage 4 ---

    wire map_enable;
    wire [MA-1:0] map_read;
    wire [IA-1:0] input_read;
    wire [P*SPB-1:0] map_q;
    wire [P*LB-1:0] input_q;
    wire tap4, first4, close4, last4;
    wire [VA-1:0] address4;
    wire [NA-1:0] number4;
    wire signed [EB-1:0] payload4;
    wire [P*SPB-1:0] spikes4;
    wire [15:0] index4;
    snncc_bank #(.WIDTH(P * SPB), .DEPTH(MAP_WORDS), .ADDRESS(MA)) map (
        .clk(clk), .write(map_write), .write_address(map_address), .write_data(map_data),
        .enable(map_enable), .read_address(map_read), .q(map_q));
    snncc_bank #(.WIDTH(P * LB), .DEPTH(INPUT_WORDS), .ADDRESS(IA)) inputs (
        .clk(clk), .write(host_write), .write_address(host_address), .write_data(host_data),
        .enable(map_enable), .read_address(input_read), .q(input_q));
    snncc_event_walk #(
        .P(P), .LB(LB), .SPB(SPB), .EB(EB), .VA(VA), .MA(MA), .IA(IA), .NA(NA), .RWA(RWA), .CWIA(CWIA),
        .RVA(RVA), .CWA(CWA), .RCB(RCB), .CCB(CCB)) walk (
        .clk(clk), .rst(rst), .go(go), .takes_levels(op == ADD), .has_taps(op == ADD || op == POOL || current),
        .has_close(op != ADD), .from_input(from_input), .own(own),
        .rows(setting[1][15:0]), .columns(setting[1][31:16]), .words(setting[2][15:0]),
        .skip(setting[2][31:16]), .first_row(setting[3][RWA-1:0]), .first_column(setting[4][CWIA-1:0]),
        .blocks(setting[9][15:0]), .source(setting[5]), .potentials(setting[6][VA-1:0]),
        .table_base(setting[7][NA-1:0]), .step(setting[8][NA-1:0]), .close(setting[11][VA-1:0]),
        .gain(setting[10][EB-1:0]),
        .map_enable(map_enable), .map_address(map_read), .input_address(input_read), .map_q(map_q),
        .input_q(input_q),
        .tap(tap4), .first(first4), .closes(close4), .last(last4), .address(address4), .number(number4),
        .payload(payload4), .spikes(spikes4), .index(index4));

    // --- what goes with an access ---

    localparam FIRED = 11, STORED = FIRED + 2 * LEAKY;
    reg [STORED:5] tap, first, closes, last;
    reg [VA-1:0] address[5:STORED];
    reg [NA-1:0] number[5:6];
    reg signed [EB-1:0] payload[5:7];
    reg [P*SPB-1:0] spikes[5:7];
    reg [15:0] index[5:STORED];
    always @(posedge clk) begin
        tap <= rst ? 0 : {tap[STORED-1:5], tap4};
        first <= {first[STORED-1:5], first4};
        closes <= rst ? 0 : {closes[STORED-1:5], close4};
        last <= rst ? 0 : {last[STORED-1:5], last4};
        address[5] <= address4;
        index[5] <= index4;
        for (k = 6; k <= STORED; k = k + 1) begin
            address[k] <= address[k-1];
            index[k] <= index[k-1];
        end
        number[5] <= number4;
        number[6] <= number[5];
        payload[5] <= payload4;
        payload[6] <= payload[5];
        payload[7] <= payload[6];
        spikes[5] <= spikes4;
        spikes[6] <= spikes[5];
        spikes[7] <= spikes[6];
    end
    assign pass_done = last[STORED];

    wire [1:0] pack = WB / 8 >= weight_bits ? 2'd3 : WB / 4 >= weight_bits ? 2'd2 : WB / 2 >= weight_bits ? 2'd1 : 2'd0;
    wire [NA-1:0] weight_word = MIXED ? number4 >> pack : number4;
    wire [2:0] part4 = number4[2:0] & ((3'd1 << pack) - 3'd1);
    localparam WA = WEIGHT_WORDS > 2 ? $clog2(WEIGHT_WORDS) : 1;
    localparam NEA = NEURON_WORDS > 2 ? $clog2(NEURON_WORDS) : 1;
    reg [2:0] part5;
    reg [3:0] offset6;  // the place of the weight in its slot
    wire [P*WB-1:0] weights_q;
    reg [P*WB-1:0] slots;
    snncc_rom #(.WIDTH(P * WB), .DEPTH(WEIGHT_WORDS), .ADDRESS(WA), .FILE("weights.mem")) weights (
        .clk(clk), .enable(1'b1), .address(weight_word[WA-1:0]), .q(weights_q));
    wire [P*(TB+VB)-1:0] neurons_q;
    reg [P*(TB+VB)-1:0] neurons;
    snncc_rom #(.WIDTH(P * (TB + VB)), .DEPTH(NEURON_WORDS), .ADDRESS(NEA), .FILE("neurons.mem")) neuron_table (
        .clk(clk), .enable(1'b1), .address(number[6][NEA-1:0]), .q(neurons_q));
    always @(posedge clk) begin
        slots <= weights_q;
        part5 <= part4;
        offset6 <= (part5[0] ? weight_bits[3:0] : 4'd0) + (part5[1] ? weight_bits[3:0] << 1 : 4'd0)
            + (part5[2] ? weight_bits[3:0] << 2 : 4'd0);
        neurons <= neurons_q;
    end

    // --- lanes ---

    wire stores_sum = tap[9] && op == ADD;
    wire sends_result = closes[FIRED];
    wire stores_result = closes[STORED] || (LEAKY && current && tap[STORED]);
    reg [12:0] keep11;
    always @(posedge clk) keep11 <= tap[10] ? keep_u : keep_v;
    wire [P*VB-1:0] sums, results, decayed, potentials_q;
    wire [P*SB-1:0] sends;
    wire [P*SB-1:0] sent_q;
    wire [P-1:0] up, down, overflow;
    snncc_banks #(.WIDTH(P * VB), .DEPTH(POTENTIAL_WORDS), .ADDRESS(VA)) potentials (
        .clk(clk), .write(stores_sum || stores_result), .write_address(stores_sum ? address[9] : address[STORED]),
        .write_data(stores_sum ? sums : decayed), .read_address(address[6]), .q(potentials_q));
    generate
        if (STBIF) begin : sums_sent
            snncc_banks #(.WIDTH(P * SB), .DEPTH(SENT_WORDS), .ADDRESS(VA)) sent (
                .clk(clk), .write(stores_result && (op == FIRE || op == LOAD) && address[STORED] < SENT_WORDS),
                .write_address(address[STORED]), .write_data(sends), .read_address(address[7]), .q(sent_q));
        end else begin : nothing_sent
            assign sent_q = {P * SB{1'b0}};
        end
    endgenerate

    genvar i;
    generate
        for (i = 0; i < P; i = i + 1) begin : lanes
            snncc_event_lane #(
                .WB(WB), .EB(EB), .SPB(SPB), .VB(VB), .TB(TB), .SB(SB), .NB(NB), .STBIF(STBIF), .MIXED(MIXED),
                .LEAKY(LEAKY)) lane (
                .clk(clk), .adds(op == ADD), .loads(op == LOAD), .fires(op == FIRE), .pools(op == POOL),
                .own(own), .current(current), .half(setting[0][10]), .uses_bias(setting[0][11]), .to_zero(setting[0][12]),
                .is_signed(setting[0][13]), .weight_bits(weight_bits), .gain(setting[10][EB-1:0]),
                .lo(setting[12][SB-1:0]), .hi(setting[12][16+:SB]),
                .slot(slots[i*WB+:WB]), .offset(offset6), .payload(payload[7]), .spike(spikes[7][i*SPB+:SPB]),
                .potential(potentials_q[i*VB+:VB]), .theta(neurons[i*(TB+VB)+:TB]),
                .bias(neurons[i*(TB+VB)+TB+:VB]), .tap(tap[8]), .first(first[8]), .sent(sent_q[i*SB+:SB]),
                .keep(keep11), .overflow(overflow[i]), .sum(sums[i*VB+:VB]), .result(results[i*VB+:VB]),
                .decayed(decayed[i*VB+:VB]),
                .sends(sends[i*SB+:SB]), .up(up[i]), .down(down[i]));
        end
    endgenerate

    // --- words that leave ---

    wire [P*SPB-1:0] word;
    generate
        for (i = 0; i < P; i = i + 1) begin : sending
            if (SPB == 1) begin : plain
                assign word[i] = up[i];
            end else begin : signs
                assign word[i*SPB+:SPB] = {down[i], up[i] || down[i]};
            end
        end
    endgenerate
    wire [31:0] target = setting[5] + {16'd0, index[FIRED]};
    always @(posedge clk) begin
        map_write <= sends_result && (op == FIRE || op == POOL) && !rst;
        map_address <= target[MA-1:0];
        map_data <= word;
        result_valid <= sends_result && op == READ && !rst;
        result_address <= target;
        result_data <= results;
    end

`ifdef SNNCC_CHECK
    reg [31:0] map_place;
    wire [P-1:0] wide_sum;
    generate
        for (i = 0; i < P; i = i + 1) begin : checked
            wire signed [VB-1:0] whole = potentials_q[i*VB+:VB];
            wire signed [NB-1:0] kept = whole[NB-1:0];
            assign wide_sum[i] = whole != kept;
        end
    endgenerate
    always @(posedge clk) begin
        map_place <= target;
        if (!rst) begin
            if (tap4 && op == ADD && weight_word >= WEIGHT_WORDS) $fatal(1, "weights are read beyond their memory");
            if (close4 && op != POOL && number4 >= NEURON_WORDS) $fatal(1, "thresholds are read beyond their memory");
            if ((tap4 || close4) && address4 >= POTENTIAL_WORDS) $fatal(1, "potentials are read beyond their memory");
            if (closes[8] && op != POOL && |overflow) $fatal(1, "a potential leaves its bits");
            if (map_write && map_place >= MAP_WORDS) $fatal(1, "spikes are written beyond their memory");
            if (map_write && go) $fatal(1, "a pass begins before the last one has written its spikes");
            if (tap[8] && op == POOL && |wide_sum) $fatal(1, "a pool's sum leaves its bits");
            if (stores_sum && stores_result) $fatal(1, "two potentials are written at once");
            if (host_write && busy) $fatal(1, "the host writes while the core runs");
            if (chosen && op > END) $fatal(1, "a pass of no kind");
            if (SPB == 1 && sends_result && (op == FIRE || op == POOL) && |down) $fatal(1, "an unsigned spike is taken back");
        end
    end
`endif
endmodule
`default_nettype wire
