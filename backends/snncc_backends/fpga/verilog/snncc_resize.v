// Eight levels of one width as levels of another, which holds their values.
`default_nettype none
module snncc_resize #(
    parameter FROM = 4,
    parameter TO = 4,
    parameter SIGNED = 0  // two's complement
) (
    input wire [8*FROM-1:0] from,
    output wire [8*TO-1:0] to
);
    genvar i;
    generate
        for (i = 0; i < 8; i = i + 1) begin : level
            wire [FROM-1:0] narrow = from[i*FROM+:FROM];
            wire [FROM+TO-1:0] whole = {{TO{SIGNED != 0 && narrow[FROM-1]}}, narrow};
            assign to[i*TO+:TO] = whole[TO-1:0];
        end
    endgenerate
endmodule
`default_nettype wire
