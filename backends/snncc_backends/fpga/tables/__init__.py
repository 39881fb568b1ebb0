"""What the core reads: memories of records, assembled from the passes, and read back as a program."""
