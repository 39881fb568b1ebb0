"""A network over lists of options: what every point costs, the frontier, and the command of the winner."""
