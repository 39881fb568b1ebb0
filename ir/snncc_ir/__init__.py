"""The spiking graph IR: the contract between the compiler and its backends (see ir/SPEC.md)."""
