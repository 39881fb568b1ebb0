// Between two cores of a chain: two halves, each with the words of one image. While the words of one image arrive, those
// of the image before it go to the core behind, over the link behind that, or both; then the core starts.
`default_nettype none
module snncc_link #(
    parameter WIDTH = 32,
    parameter WORDS = 2,
    parameter GB = 1,
    parameter MA = 8,
    parameter FOLDER = "."
) (
    input wire clk,
    input wire rst,
    // words arrive, as long as a half is free
    output wire ready,
    input wire push,
    input wire [WIDTH-1:0] push_data,
    // the link behind the core has a free half, and the core is done with an image
    input wire next_ready,
    input wire core_done,
    // to the core, and to the next link
    output reg [WIDTH-1:0] data,
    output reg keep,
    output reg [GB-1:0] bank,
    output reg [MA-1:0] address,
    output reg forward,
    output reg start
);
    localparam DEPTH = 2 * WORDS;
    localparam AB = $clog2(DEPTH);
    localparam NB = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam LAST = WORDS - 1;

    reg [1:0] full;
    reg in, out;  // the half that words arrive in, and leave from
    reg [AB-1:0] tail, head;
    reg [NB-1:0] arrived, left;
    reg loading, working;
    assign ready = !full[in];
    wire in_last = push && arrived == LAST[NB-1:0];
    wire out_last = loading && left == LAST[NB-1:0];
    always @(posedge clk) begin
        if (rst) begin
            full <= 2'd0;
            in <= 1'b0;
            out <= 1'b0;
            tail <= 0;
            head <= 0;
            arrived <= 0;
            left <= 0;
            loading <= 1'b0;
            working <= 1'b0;
        end else begin
            if (push) begin
                arrived <= in_last ? {NB{1'b0}} : arrived + 1'b1;
                tail <= in_last && in ? {AB{1'b0}} : tail + 1'b1;
            end
            if (in_last) begin
                full[in] <= 1'b1;
                in <= !in;
            end
            if (loading) begin
                left <= out_last ? {NB{1'b0}} : left + 1'b1;
                head <= out_last && out ? {AB{1'b0}} : head + 1'b1;
            end
            if (out_last) begin
                full[out] <= 1'b0;
                out <= !out;
                loading <= 1'b0;
                working <= 1'b1;
            end
            if (working && core_done) working <= 1'b0;
            if (!loading && !working && full[out] && next_ready) loading <= 1'b1;
        end
    end

    (* no_rw_check *)
    reg [WIDTH-1:0] words[0:DEPTH-1];
    reg [WIDTH-1:0] q;
    always @(posedge clk) begin
        if (push) words[tail] <= push_data;
        q <= words[head];
    end
    wire [MA+GB+1:0] arrival;
    snncc_rom #(.WIDTH(MA + GB + 2), .DEPTH(1 << NB), .ADDRESS(NB), .FILE({FOLDER, "/arrivals.mem"})) arrivals (
        .clk(clk), .enable(1'b1), .address(left), .q(arrival));

    reg read, read_last, starts;
    always @(posedge clk) begin
        read <= loading && !rst;
        read_last <= out_last && !rst;
        data <= q;
        keep <= read && arrival[0] && !rst;
        forward <= read && arrival[1] && !rst;
        bank <= arrival[2+:GB];
        address <= arrival[2+GB+:MA];
        starts <= read_last && !rst;
        start <= starts && !rst;
    end

`ifdef SNNCC_CHECK
    always @(posedge clk)
        if (!rst) begin
            if (push && full[in]) $fatal(1, "a word arrives at a link that is full");
            if (core_done && !working) $fatal(1, "a core is done that was not started");
        end
`endif
endmodule
`default_nettype wire
