"""Several level cores in a row, each with a part of the network: docs/fpga.md, section 10."""
