"""The probes of a compiled network. Lava executes every file of this package: keep it to these."""
