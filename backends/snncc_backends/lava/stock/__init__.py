"""The profile of stock processes: Lava's LIF neurons and synapses, for `rate` with reset to zero."""
