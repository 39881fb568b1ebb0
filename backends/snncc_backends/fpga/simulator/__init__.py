"""The cycle simulator of the level core: every word and cycle, or the count of cycles alone."""
