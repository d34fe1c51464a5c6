// Memories of flightvgm_rtl.target.ram, from which synthesis infers LUT RAM, block RAM or URAM.
// Both give the old word where a word is read and written in one cycle.

module flightvgm_ram #(
    parameter WIDTH = 8, DEPTH = 16, LANES = 1, ADDRESS = 4, STYLE = "auto"
) (
    input wire clk,
    input wire [LANES-1:0] write_enable,
    input wire [ADDRESS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,
    input wire read_enable,
    input wire [ADDRESS-1:0] read_address,
    output reg [WIDTH-1:0] read_data
);
    localparam LANE = WIDTH / LANES;
    (* ram_style = STYLE *) reg [WIDTH-1:0] words [0:DEPTH-1];
    integer lane;
    always @(posedge clk) begin
        for (lane = 0; lane < LANES; lane = lane + 1)
            if (write_enable[lane]) words[write_address][lane*LANE +: LANE] <= write_data[lane*LANE +: LANE];
    end
    always @(posedge clk) if (read_enable) read_data <= words[read_address];
`ifndef SYNTHESIS
    integer word;
    initial begin
        for (word = 0; word < DEPTH; word = word + 1) words[word] = 0;
        read_data = 0;
    end
`endif
endmodule

module flightvgm_ram_rw #(
    parameter WIDTH = 8, DEPTH = 16, LANES = 1, ADDRESS = 4, STYLE = "auto"
) (
    input wire clk,
    input wire [ADDRESS-1:0] address,
    input wire [LANES-1:0] write_enable,
    input wire [WIDTH-1:0] write_data,
    input wire back_enable,
    output reg [WIDTH-1:0] back_data,
    input wire read_enable,
    input wire [ADDRESS-1:0] read_address,
    output reg [WIDTH-1:0] read_data
);
    localparam LANE = WIDTH / LANES;
    (* ram_style = STYLE *) reg [WIDTH-1:0] words [0:DEPTH-1];
    integer lane;
    always @(posedge clk) begin
        for (lane = 0; lane < LANES; lane = lane + 1)
            if (write_enable[lane]) words[address][lane*LANE +: LANE] <= write_data[lane*LANE +: LANE];
        if (back_enable) back_data <= words[address];
    end
    always @(posedge clk) if (read_enable) read_data <= words[read_address];
`ifndef SYNTHESIS
    integer word;
    initial begin
        for (word = 0; word < DEPTH; word = word + 1) words[word] = 0;
        back_data = 0;
        read_data = 0;
    end
`endif
endmodule
