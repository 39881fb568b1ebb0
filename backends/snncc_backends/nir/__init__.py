"""NIR, the exchange format of spiking simulators and chips: rate networks of integrate-and-fire neurons."""
