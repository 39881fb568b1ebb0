// A deep memory in banks of 2^BANK words, each with a register behind its own output, so that no multiplexer
// lies between a memory and its register: `q` is what `read_address` held two cycles before. A word is never
// read in the cycle in which it is written, so the memory needs no bypass.
`default_nettype none
module snncc_banks #(
    parameter WIDTH = 32,
    parameter DEPTH = 2,
    parameter ADDRESS = 1,
    parameter BANK = 10
) (
    input wire clk,
    input wire write,
    input wire [ADDRESS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,
    input wire [ADDRESS-1:0] read_address,
    output wire [WIDTH-1:0] q
);
    localparam BANKS = ((DEPTH - 1) >> BANK) + 1;
    localparam INNER = ADDRESS < BANK ? ADDRESS : BANK;
    localparam NB = BANKS > 2 ? $clog2(BANKS) : 1;
    wire [ADDRESS:0] write_place = {1'b0, write_address};
    wire [ADDRESS:0] read_place = {1'b0, read_address};
    wire [NB-1:0] write_bank, read_bank;
    reg [NB-1:0] bank1, bank2;
    wire [WIDTH-1:0] bank_q[0:BANKS-1];
    reg [WIDTH-1:0] copy[0:BANKS-1];
    integer k;
    always @(posedge clk) begin
        bank1 <= read_bank;
        bank2 <= bank1;
        for (k = 0; k < BANKS; k = k + 1) copy[k] <= bank_q[k];
    end
    genvar b;
    generate
        if (BANKS == 1) begin : single
            assign write_bank = 0;
            assign read_bank = 0;
            assign q = copy[0];
        end else begin : several
            assign write_bank = write_place >> BANK;
            assign read_bank = read_place >> BANK;
            assign q = copy[bank2];
        end
        for (b = 0; b < BANKS; b = b + 1) begin : banks
            localparam WORDS = b + 1 < BANKS ? 1 << BANK : DEPTH - (b << BANK);
            snncc_bank #(.WIDTH(WIDTH), .DEPTH(WORDS > 1 ? WORDS : 2), .ADDRESS(INNER)) bank (
                .clk(clk), .write(write && write_bank == b), .write_address(write_address[INNER-1:0]),
                .write_data(write_data), .enable(1'b1), .read_address(read_address[INNER-1:0]), .q(bank_q[b]));
        end
    endgenerate
endmodule
`default_nettype wire
