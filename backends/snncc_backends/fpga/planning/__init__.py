"""What the passes of a graph are: maps, projections, neurons, and how lanes split them."""
