"""The level core as an HLS C++ kernel: emitted, compiled with the system's compiler, and run."""
