"""`snncc tune`: compiled networks learn on the integers that they run with."""
