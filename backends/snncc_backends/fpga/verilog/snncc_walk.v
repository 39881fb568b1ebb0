// Walks the loops of a pass (docs/fpga.md, section 3): one command per projection of every window position.
`default_nettype none
module snncc_walk #(
    parameter MA = 8,
    parameter WA = 8,
    parameter NEA = 8,
    parameter RWA = 8,
    parameter CWIA = 8
) (
    input wire clk,
    input wire rst,
    input wire go,  // begin: the settings are stable from now on
    // settings
    input wire [7:0] projections,
    input wire [7:0] window_rows,
    input wire [7:0] window_columns,
    input wire [15:0] blocks,
    input wire [15:0] tiles,
    input wire [15:0] columns,
    input wire [RWA-1:0] first_row,
    input wire [CWIA-1:0] first_column,
    input wire [WA-1:0] first_weight,
    input wire [WA-1:0] weight_step,
    input wire [NEA-1:0] first_neuron,
    input wire [NEA-1:0] neuron_step,
    input wire [MA-1:0] group_words,
    // command
    input wire enable,
    output reg valid,
    output wire [RWA-1:0] row_window,
    output wire [CWIA-1:0] column_window,
    output reg [WA-1:0] weight,
    output reg [NEA-1:0] neuron,
    output reg [MA-1:0] channel,
    output wire tile_first,
    output wire tile_last,
    output wire window_first,
    output wire window_last,
    output wire pass_last
);
    reg [7:0] p, wx, wy;
    reg [15:0] ox, rt, block;
    reg [RWA-1:0] row_base, tile_base;
    reg [CWIA-1:0] column_base, place_base;

    reg [7:0] p_end, wx_end, wy_end;
    reg [15:0] ox_end, rt_end, block_end;
    always @(posedge clk) begin
        p_end <= projections - 8'd1;
        wx_end <= window_columns - 8'd1;
        wy_end <= window_rows - 8'd1;
        ox_end <= columns - 16'd1;
        rt_end <= tiles - 16'd1;
        block_end <= blocks - 16'd1;
    end
    wire p_last = p == p_end;
    wire wx_last = wx == wx_end;
    wire wy_last = wy == wy_end;
    wire ox_last = ox == ox_end;
    wire rt_last = rt == rt_end;
    wire block_last = block == block_end;
    wire [RWA-1:0] next_row = row_base + projections;
    wire [CWIA-1:0] next_column = column_base + projections;

    assign row_window = row_base + p;
    assign column_window = column_base + p;
    assign tile_first = p == 0;
    assign tile_last = p_last;
    assign window_first = wx == 0 && wy == 0;
    assign window_last = wx_last && wy_last;
    assign pass_last = window_last && ox_last && rt_last && block_last;

    always @(posedge clk) begin
        if (rst) valid <= 1'b0;
        else if (go) begin
            valid <= 1'b1;
            p <= 0;
            wx <= 0;
            wy <= 0;
            ox <= 0;
            rt <= 0;
            block <= 0;
            row_base <= first_row;
            tile_base <= first_row;
            column_base <= first_column;
            place_base <= first_column;
            weight <= first_weight;
            neuron <= first_neuron;
            channel <= 0;
        end else if (enable && valid) begin
            if (!p_last) p <= p + 8'd1;
            else begin
                p <= 0;
                if (!wx_last) begin
                    wx <= wx + 8'd1;
                    column_base <= next_column;
                end else begin
                    wx <= 0;
                    if (!wy_last) begin
                        wy <= wy + 8'd1;
                        row_base <= next_row;
                        column_base <= place_base;
                    end else begin
                        wy <= 0;
                        if (!ox_last) begin
                            ox <= ox + 16'd1;
                            row_base <= tile_base;
                            column_base <= next_column;
                            place_base <= next_column;
                        end else begin
                            ox <= 0;
                            column_base <= first_column;
                            place_base <= first_column;
                            if (!rt_last) begin
                                rt <= rt + 16'd1;
                                row_base <= next_row;
                                tile_base <= next_row;
                            end else begin
                                rt <= 0;
                                row_base <= first_row;
                                tile_base <= first_row;
                                block <= block + 16'd1;
                                weight <= weight + weight_step;
                                neuron <= neuron + neuron_step;
                                channel <= channel + group_words;
                                if (block_last) valid <= 1'b0;
                            end
                        end
                    end
                end
            end
        end
    end
endmodule
`default_nettype wire
