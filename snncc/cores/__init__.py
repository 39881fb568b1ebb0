"""Networks on chips of cores: partition, placement, and what a run costs there."""
