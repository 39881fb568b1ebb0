"""The event core: tables, simulator and Verilog for the streaming codes."""
