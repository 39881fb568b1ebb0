"""Tools of others that snncc runs: where they are, what is missing, and how they are run and stopped."""
