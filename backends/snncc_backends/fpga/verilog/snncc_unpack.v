// One of several weights that share a slot: the one from bit `offset` on; one bit stands for -1 and +1.
`default_nettype none
module snncc_unpack #(
    parameter WB = 8
) (
    input wire [WB-1:0] slot,
    input wire [7:0] bits,
    input wire [3:0] offset,
    output reg [WB-1:0] weight
);
    wire [15:0] wide = {{16 - WB{1'b0}}, slot};
    wire [15:0] low = wide >> offset;
    wire [15:0] sign = low >> (bits - 8'd1);
    wire [15:0] mask = (16'd1 << bits) - 16'd1;
    wire [15:0] value = (low & mask) | (sign[0] ? ~mask : 16'd0);
    always @* begin
        if (bits == 1) weight = low[0] ? {{WB - 1{1'b0}}, 1'b1} : {WB{1'b1}};
        else weight = value[WB-1:0];
    end
endmodule
`default_nettype wire
