"""What the Lava processes of `network` compute, in numpy alone: spikes out, sums in, gates between."""
