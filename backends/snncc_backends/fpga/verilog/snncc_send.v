// Which words of a core go over the link behind it: runs of words, each sent or not, the same for every image.
`default_nettype none
module snncc_send #(
    parameter WIDTH = 32,
    parameter CB = 8,
    parameter RUNS = 1,
    parameter FOLDER = "."
) (
    input wire clk,
    input wire rst,
    input wire write,
    input wire [WIDTH-1:0] write_data,
    output reg push,
    output reg [WIDTH-1:0] push_data
);
    localparam RB = RUNS > 2 ? $clog2(RUNS) : 1;
    localparam LAST = RUNS - 1;

    reg [RB-1:0] run;
    reg [1:0] fetched;  // 2: the run is known; its first word comes far later than that
    reg [CB-1:0] left;
    reg sent;
    wire [CB:0] q;
    snncc_rom #(.WIDTH(CB + 1), .DEPTH(1 << RB), .ADDRESS(RB), .FILE({FOLDER, "/runs.mem"})) runs (
        .clk(clk), .enable(1'b1), .address(run), .q(q));
    always @(posedge clk) begin
        push <= write && sent && !rst;
        push_data <= write_data;
        if (rst) begin
            run <= 0;
            fetched <= 2'd0;
            sent <= 1'b0;
        end else if (fetched != 2'd2) begin
            fetched <= fetched + 2'd1;
            left <= q[CB-1:0];
            sent <= q[CB];
        end else if (write) begin
            left <= left - 1'b1;
            if (left == 1) begin
                run <= run == LAST[RB-1:0] ? {RB{1'b0}} : run + 1'b1;
                fetched <= 2'd0;
            end
        end
    end

`ifdef SNNCC_CHECK
    always @(posedge clk) if (!rst && write && fetched != 2'd2) $fatal(1, "a word is written before its run is known");
`endif
endmodule
`default_nettype wire
