"""The Lava processes of a compiled network. Lava executes every file of this package: keep it to these."""
